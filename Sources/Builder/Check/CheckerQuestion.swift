import FoundationEssentials
import OCI

/// A function's files as the checker takes them: what may be a module or data for one, and the names of all others.
struct CheckerQuestion {
    private struct Document: Encodable {
        struct File: Encodable {
            var path: String
            /// Left out for what is no UTF-8.
            var text: String?
        }

        var entry: String
        var files: [File]
        var names: [String]
    }

    /// The JSON.
    let bytes: [UInt8]

    /// A question about `tree`.
    init(_ tree: FileTree) throws(BuilderError) {
        var document = Document(entry: tree.entry, files: [], names: [])
        for path in tree.paths {
            if FileTree.isChecked(path), case .bytes(let bytes)? = tree.files[path] {
                document.files.append(.init(path: path, text: String(validating: bytes, as: UTF8.self)))
            } else {
                document.names.append(path)
            }
        }
        do {
            bytes = Array(try JSONEncoder().encode(document))
        } catch {
            throw BuilderError(.checkerAnswer, "The files cannot be shown to the checker.", cause: error)
        }
    }
}

import Contract
import FoundationEssentials
import Glibc

/// What a deploy sends: one module, or an archive of several files with its entry.
package struct SourceUpload: Sendable {
    /// Where the source comes from.
    package enum Origin: Sendable, Hashable {
        /// Standard input: `-`.
        case standardInput
        /// One file, by path.
        case file(String)
        /// A directory, by path.
        case directory(String)
    }

    /// The request's body.
    package let body: [UInt8]
    /// Its media type.
    package let mediaType: String
    /// The entry module, for an archive.
    package let entry: String?
    /// Entries of the directory that were left out because they are neither files nor directories.
    package let skipped: [String]
    /// How to show diagnostics.
    package let excerpts: SourceExcerpts

    /// Reads the source at `origin`. `entry` names the module that handles requests, in a directory or an archive.
    package init(_ origin: Origin, entry: String?) throws(ClientError) {
        switch origin {
        case .standardInput:
            guard let bytes = SourceFile.readAll(STDIN_FILENO) else { throw SourceFile.unreadable("Standard input") }
            self.init(module: bytes, name: "<stdin>")
        case .file(let path):
            let bytes = try SourceFile.read(path)
            if let type = Self.archiveType(path) {
                self.init(body: bytes, mediaType: type, entry: entry, skipped: [], excerpts: SourceExcerpts())
            } else if entry == nil {
                self.init(module: bytes, name: path)
            } else {
                throw ClientError(.usage, "--entry is for directories and archives; \(path) is one module.")
            }
        case .directory(let root): try self.init(SourceTree(root), entry: entry)
        }
        guard !body.isEmpty else {
            throw ClientError(.usage, "\(origin.description) is empty: there is nothing to deploy.")
        }
    }

    private init(body: [UInt8], mediaType: String, entry: String?, skipped: [String], excerpts: SourceExcerpts) {
        self.body = body
        self.mediaType = mediaType
        self.entry = entry
        self.skipped = skipped
        self.excerpts = excerpts
    }

    private init(module bytes: [UInt8], name: String) {
        let text = String(decoding: bytes, as: UTF8.self)
        // The platform knows a single module under a name of its own.
        self.init(
            body: bytes, mediaType: Self.moduleType(name), entry: nil, skipped: [],
            excerpts: SourceExcerpts(name: { _ in name }, text: { _ in text }))
    }

    private init(_ tree: SourceTree, entry: String?) throws(ClientError) {
        var texts: [String: String] = [:]
        for file in tree.files where file.bytes.count <= 4 << 20 {
            texts[file.path] = String(decoding: file.bytes, as: UTF8.self)
        }
        let prefix = tree.root == "." ? "" : tree.root.hasSuffix("/") ? tree.root : tree.root + "/"
        self.init(
            body: try tree.archive(), mediaType: "application/gzip", entry: try tree.entry(entry),
            skipped: tree.skipped,
            excerpts: SourceExcerpts(name: { prefix + $0 }, text: { [texts] in texts[$0] }))
    }

    /// JavaScript has its types checked where it asks for it; of standard input the platform judges itself what it is.
    private static func moduleType(_ path: String) -> String {
        switch path.lowercased().split(separator: ".").last {
        case "js", "mjs", "jsx": "text/javascript"
        case "ts", "mts", "tsx": "application/typescript"
        default: "application/octet-stream"
        }
    }

    private static func archiveType(_ path: String) -> String? {
        let name = path.lowercased()
        if name.hasSuffix(".tar") { return "application/x-tar" }
        return name.hasSuffix(".tar.gz") || name.hasSuffix(".tgz") ? "application/gzip" : nil
    }
}

extension SourceUpload.Origin: CustomStringConvertible {
    /// What the person's argument `text` names; throws when there is nothing.
    package init(_ text: String) throws(ClientError) {
        if text == "-" {
            self = .standardInput
        } else if let isDirectory = SourceFile.isDirectory(text) {
            self = isDirectory ? .directory(text) : .file(text)
        } else {
            throw SourceFile.unreadable(text)
        }
    }

    /// The path as the person wrote it.
    package var description: String {
        switch self {
        case .standardInput: "Standard input"
        case .file(let path), .directory(let path): path
        }
    }

    /// The name that a function gets after its source; throws `usage` when it has to be given.
    package func functionName() throws(ClientError) -> FunctionName {
        switch self {
        case .standardInput: throw ClientError(.usage, "Source from standard input has no name. Give one with --name.")
        case .file(let path), .directory(let path):
            guard let real = realpath(path, nil) else { throw SourceFile.unreadable(path) }
            defer { free(real) }
            let absolute = String(cString: real)
            guard case .file = self else { return try FunctionNaming.name(ofPath: absolute + "/") }
            return try FunctionNaming.name(ofPath: absolute)
        }
    }
}

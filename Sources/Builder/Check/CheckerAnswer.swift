import Contract
import FoundationEssentials
import OCI

/// What the checker answered. It comes from processes that have read hostile source: it is decoded strictly, bounded, and has
/// nothing in it but what an answer has.
package struct CheckerAnswer: Sendable {
    /// Most findings that are passed on.
    package static let mostDiagnostics = 100
    /// Most characters of a finding's code, of its message, and of a sentence.
    private static let longestCode = 40
    private static let longestMessage = 600

    private struct Document: Decodable {
        struct Module: Decodable {
            var path: String
            var code: String
        }

        struct Diagnostic: Decodable {
            var file: String?
            var line: Int?
            var column: Int?
            var code: String
            var message: String
        }

        var ok: Bool?
        var form: HandlerForm?
        var code: String?
        var plain: Bool?
        var main: String?
        var modules: [Module]?
        var importMap: JSONValue?
        var warnings: [String]?
        var imports: [ExternalImport]?
        var diagnostics: [Diagnostic]?
        var more: Int?
        var unchecked: String?
        var note: String?
    }

    private let document: Document

    /// Reads an answer's body; throws `checkerAnswer`.
    package init(_ body: [UInt8]) throws(BuilderError) {
        do {
            document = try JSONDecoder().decode(Document.self, from: Data(body))
        } catch {
            throw BuilderError(.checkerAnswer, "The checker's answer cannot be read.", cause: error)
        }
    }

    /// The result of a check, with `file` as the only file there is.
    package func checkResult(file: String) throws(BuilderError) -> CheckResult {
        guard document.ok == true else { return .failed(try findings { _ in file }) }
        guard let form = document.form, let code = document.code else { throw noResult }
        return .passed(
            CheckedModule(
                form: form, code: code, isPlain: document.plain == true, imports: imports { _ in nil }))
    }

    /// The result of a check of the files of `tree`.
    package func checkResult(of tree: FileTree) throws(BuilderError) -> CheckResult {
        guard document.ok == true else { return .failed(try findings(Self.file(in: tree))) }
        let modules = (document.modules ?? []).map { CheckedFiles.Module(path: $0.path, code: $0.code) }
        guard let form = document.form, let main = document.main, let map = document.importMap,
            modules.count <= tree.files.count, Set(modules.map(\.path)).count == modules.count,
            // What is made of a file stands beside it and replaces none.
            modules.allSatisfy({ made in
                tree.files[made.path] == nil && made.path.hasSuffix(".js")
                    && tree.files.keys.contains {
                        made.path.hasPrefix($0 + ".") && !made.path.dropFirst($0.count).contains("/")
                    }
            }), tree.files[main] != nil || modules.contains(where: { $0.path == main })
        else { throw noResult }
        let importMap: [UInt8]
        do {
            importMap = try CanonicalJSON.encode(map)
        } catch {
            throw BuilderError(.checkerAnswer, "The checker's import map cannot be written.", cause: error)
        }
        let warnings = (document.warnings ?? []).prefix(20).map { String($0.prefix(Self.longestMessage)) }
        return .passed(
            CheckedModule(
                form: form,
                files: CheckedFiles(main: main, modules: modules, importMap: importMap, warnings: Array(warnings)),
                imports: imports(Self.file(in: tree))))
    }

    private static func file(in tree: FileTree) -> (String?) -> String {
        { file in file.flatMap { tree.files[$0] == nil ? nil : $0 } ?? tree.entry }
    }

    private func imports(_ file: (String?) -> String?) -> [ExternalImport] {
        (document.imports ?? []).map { found in
            var found = found
            found.file = file(found.file)
            return found
        }
    }

    /// The result of a check of types, with `file` as the only file there is.
    package func typesResult(file: String) throws(BuilderError) -> TypesResult { try typesResult { _ in file } }

    /// The result of a check of the types of the files of `tree`.
    package func typesResult(of tree: FileTree) throws(BuilderError) -> TypesResult {
        try typesResult(Self.file(in: tree))
    }

    private func typesResult(_ file: (String?) -> String) throws(BuilderError) -> TypesResult {
        if document.ok == true { return .passed(note: document.note.map { String($0.prefix(Self.longestMessage)) }) }
        if document.ok == nil, let reason = document.unchecked {
            return .unchecked(String(reason.prefix(Self.longestMessage)))
        }
        return .failed(try findings(file))
    }

    private func findings(_ file: (String?) -> String) throws(BuilderError) -> Findings {
        let all = document.diagnostics ?? []
        let listed = all.prefix(Self.mostDiagnostics).map { found in
            Problem.Diagnostic(
                file: file(found.file), line: found.line.flatMap(Self.place), column: found.column.flatMap(Self.place),
                code: String(found.code.prefix(Self.longestCode)),
                message: String(found.message.prefix(Self.longestMessage)))
        }
        guard document.ok == false, !listed.isEmpty else { throw noResult }
        let more = min(max(document.more ?? 0, 0), 1_000_000)
        return Findings(listed, more: all.count - listed.count + more)
    }

    /// Lines and columns begin at 1.
    private static func place(_ number: Int) -> Int? { number >= 1 ? number : nil }

    private var noResult: BuilderError { BuilderError(.checkerAnswer, "The checker's answer has no result.") }
}

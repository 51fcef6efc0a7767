import Contract
import FoundationEssentials

/// What the checker answered. It comes from processes that have read hostile source: it is decoded strictly, bounded, and has
/// nothing in it but what an answer has.
package struct CheckerAnswer: Sendable {
    /// Most findings that are passed on.
    package static let mostDiagnostics = 100
    /// Most characters of a finding's code, of its message, and of a sentence.
    private static let longestCode = 40
    private static let longestMessage = 600

    private struct Document: Decodable {
        struct Diagnostic: Decodable {
            var line: Int?
            var column: Int?
            var code: String
            var message: String
        }

        var ok: Bool?
        var form: HandlerForm?
        var code: String?
        var plain: Bool?
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
        guard document.ok == true else { return .failed(try findings(file)) }
        guard let form = document.form, let code = document.code else { throw noResult }
        return .passed(
            CheckedModule(form: form, code: code, isPlain: document.plain == true, imports: document.imports ?? []))
    }

    /// The result of a check of types, with `file` as the only file there is.
    package func typesResult(file: String) throws(BuilderError) -> TypesResult {
        if document.ok == true { return .passed(note: document.note.map { String($0.prefix(Self.longestMessage)) }) }
        if document.ok == nil, let reason = document.unchecked {
            return .unchecked(String(reason.prefix(Self.longestMessage)))
        }
        return .failed(try findings(file))
    }

    private func findings(_ file: String) throws(BuilderError) -> Findings {
        let all = document.diagnostics ?? []
        let listed = all.prefix(Self.mostDiagnostics).map { found in
            Problem.Diagnostic(
                file: file, line: found.line.flatMap(Self.place), column: found.column.flatMap(Self.place),
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

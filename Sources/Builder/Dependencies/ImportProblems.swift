import Contract
import FoundationEssentials

/// Turns what went wrong in a resolution into an answer for whoever wrote the imports.
struct ImportProblems {
    let imports: [ExternalImport]
    let file: String
    let settings: DependencySettings
    let lock: LockSource
    let ledger: ConnectionLedger

    /// Most diagnostics of one answer, and most characters of each.
    private static let most = 50
    private static let longest = 600

    private enum Blame {
        case source
        case outside
        case time
    }

    /// The answer: 422 when any import has to be changed, 504 when there was too little time, else 502.
    func problem(_ faults: [Resolution.Fault]) -> Problem {
        if ledger.isExhausted {
            return tooLarge("Resolving the imports received more than \(settings.received) bytes.")
        }
        if ledger.lacksConnections {
            return tooLarge(
                "The imports need more than \(settings.connections) connections at a time.",
                advice: "Import less; the operator can raise that with --max-import-connections.")
        }
        if let large = faults.first(where: { $0.kind == .large }) { return tooLarge(plain(large.message)) }
        if let problem = contradiction(faults) { return problem }
        let judged = faults.prefix(Self.most).map(judge)
        let diagnostics = judged.map(\.diagnostic)
        let summary = SourceJudge.summary(of: Findings(diagnostics))
        if judged.contains(where: { $0.blame == .source }) {
            return Problem("unresolved-imports", 422, "Imports cannot be resolved", summary, diagnostics: diagnostics)
        }
        if judged.contains(where: { $0.blame == .time }) { return Self.slow(seconds: settings.seconds) }
        return Problem(
            "imports-unavailable", 502, "Imports cannot be fetched",
            "\(summary) What is live stays as it is; try again later.", diagnostics: diagnostics, retryAfter: 10)
    }

    /// The answer when what there is contradicts the lock.
    private func contradiction(_ faults: [Resolution.Fault]) -> Problem? {
        let kinds: [Resolution.Fault.Kind] = [.mismatch, .uncovered]
        guard let kind = kinds.first(where: { kind in faults.contains { $0.kind == kind } }) else { return nil }
        let advice =
            lock.isFrozen
            ? "Write the lock anew with 'deno install' or 'deno cache --lock', or leave out deno.lock."
            : "The versions of the live revision are kept; update=true chooses them anew (kiln deploy --update)."
        let code = kind == .mismatch ? "lock-mismatch" : "outdated-lock"
        let diagnostics = faults.filter { $0.kind == kind }.prefix(Self.most).map { fault in
            let place = imports.indices.contains(fault.import) ? imports[fault.import] : imports.first
            return Problem.Diagnostic(
                file: place?.file ?? file, line: place?.line, column: place?.column, code: code,
                message: String(plain(fault.message).prefix(Self.longest)))
        }
        let detail = "\(SourceJudge.summary(of: Findings(diagnostics))) \(advice)"
        guard kind == .mismatch else {
            return Problem(
                "outdated-lock", 422, "The lock does not cover the imports", detail, diagnostics: diagnostics)
        }
        return Problem(
            "lock-mismatch", 422, "An import is not what the lock says", detail, diagnostics: diagnostics)
    }

    /// The answer when there was too little time.
    static func slow(seconds: Int) -> Problem {
        Problem(
            "imports-too-slow", 504, "Resolving the imports took too long",
            "The imports were not resolved within \(seconds) seconds. Try again; the operator can raise that with "
                + "--resolve-timeout.", retryAfter: 10)
    }

    private static let lessOrMore =
        "Import less; the operator can raise the limits with --max-dependencies and --max-dependency-files."

    private func tooLarge(_ message: String, advice: String = lessOrMore) -> Problem {
        let first = imports.first
        return Problem(
            "imports-too-large", 422, "Imports too large", "\(message) \(advice)",
            diagnostics: [
                .init(
                    file: first?.file ?? file, line: first?.line, column: first?.column, code: "imports-too-large",
                    message: message)
            ])
    }

    private func judge(_ fault: Resolution.Fault) -> (blame: Blame, diagnostic: Problem.Diagnostic) {
        let place = imports.indices.contains(fault.import) ? imports[fault.import] : imports.first
        var message = plain(fault.message)
        var blame: Blame = fault.kind == .slow ? .time : fault.kind == .outside ? .outside : .source
        if let (host, port) = fault.url.flatMap(Self.authority) {
            switch ledger.failure(host: host, port: port) {
            case .refused(let reason):
                (message, blame) = (reason, .source)
            case .unknown(let reason):
                (message, blame) = (reason, isRegistry(host, port) ? .outside : .source)
            case .unreachable(let reason):
                (message, blame) = (reason, .outside)
            case nil: break
            }
        }
        let what = place.map { "Cannot import \"\(plain($0.specifier))\": " } ?? ""
        let code = blame == .source ? "unresolved-import" : "unavailable-import"
        let diagnostic = Problem.Diagnostic(
            file: place?.file ?? file, line: place?.line, column: place?.column, code: code,
            message: String((what + message).prefix(Self.longest)))
        return (blame, diagnostic)
    }

    private func isRegistry(_ host: String, _ port: Int) -> Bool {
        [settings.npmRegistry, settings.jsrURL].compactMap(Self.authority).contains { $0 == host && $1 == port }
    }

    private static func authority(_ url: String) -> (String, Int)? {
        guard let url = URL(string: url), let host = url.host(), !host.isEmpty else { return nil }
        return (host.lowercased(), url.port ?? (url.scheme == "http" ? 80 : 443))
    }

    private func plain(_ text: String) -> String {
        String(
            String.UnicodeScalarView(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }
}

import Contract
import FoundationEssentials
import Transfer

/// The checker over HTTP (`base-image/checker.js`). It parses hostile source, so its answers are taken as hostile too:
/// bounded, and with nothing in them but what an answer has.
package struct CheckerConnection: SourceChecker {
    /// Most diagnostics that are passed on.
    private static let mostDiagnostics = 50
    /// Most characters of a diagnostic's code and of its message.
    private static let longestCode = 40
    private static let longestMessage = 600

    private let client: HTTPClient
    private let deadline: Duration

    /// A connection that gives up after `deadline`, which should be longer than the checker's own of 10 s: a check may
    /// have to wait for others.
    package init(client: HTTPClient, deadline: Duration = .seconds(20)) {
        self.client = client
        self.deadline = deadline
    }

    package func check(_ source: [UInt8], file: String, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult
    {
        let request = ClientRequest(
            .post, endpoint.address.url("/check?file=\(file)"), socket: endpoint.address.socket, body: .bytes(source),
            timeouts: Timeouts(connect: .seconds(2), total: deadline, idle: nil))
        // JavaScript can be longer than its source: enums, decorators, and the source map. Escaped as JSON it can be
        // longer again.
        let limit = 16 * source.count + (1 << 20)
        let answer: CollectedResponse
        do {
            answer = try await client.collect(request, limit: limit)
        } catch {
            throw Self.failure(error, deadline)
        }
        switch answer.status {
        case 200: return try Self.result(answer.body, file: file)
        case 504: throw BuilderError(.checkerTooSlow, Self.tooSlow)
        case 503: throw BuilderError(.checkerUnavailable, "The checker has too much to do; try again in a moment.")
        default: throw BuilderError(.checkerAnswer, "The checker answered with status \(answer.status).")
        }
    }

    private static let tooSlow = "Checking the source took too long. Make the module smaller or simpler."

    private static func failure(_ error: TransferError, _ deadline: Duration) -> BuilderError {
        switch error.code {
        case .timedOut: BuilderError(.checkerTooSlow, tooSlow, cause: error)
        case .tooLarge: BuilderError(.checkerAnswer, "The checker's answer is too long.", cause: error)
        default: BuilderError(.checkerUnavailable, "The checker does not answer; it is being restarted.", cause: error)
        }
    }

    /// The result in an answer's body, with `file` as the only file there is.
    package static func result(_ body: [UInt8], file: String) throws(BuilderError) -> CheckResult {
        let answer: Answer
        do {
            answer = try JSONDecoder().decode(Answer.self, from: Data(body))
        } catch {
            throw BuilderError(.checkerAnswer, "The checker's answer cannot be read.", cause: error)
        }
        if answer.ok, let form = answer.form, let code = answer.code {
            return .passed(CheckedModule(form: form, code: code))
        }
        let diagnostics = (answer.diagnostics ?? []).prefix(mostDiagnostics).map { found in
            Problem.Diagnostic(
                file: file, line: found.line, column: found.column, code: String(found.code.prefix(longestCode)),
                message: String(found.message.prefix(longestMessage)))
        }
        guard !answer.ok, !diagnostics.isEmpty else {
            throw BuilderError(.checkerAnswer, "The checker's answer has no result.")
        }
        return .failed(diagnostics)
    }

    private struct Answer: Decodable {
        struct Diagnostic: Decodable {
            var line: Int?
            var column: Int?
            var code: String
            var message: String
        }

        var ok: Bool
        var form: HandlerForm?
        var code: String?
        var diagnostics: [Diagnostic]?
    }
}

import Contract
import FoundationEssentials
import Transfer

/// The checker over HTTP (`base-image/checker.js`). It parses hostile source, so its answers are taken as hostile too, see
/// ``CheckerAnswer``.
package struct CheckerConnection: SourceChecker {
    /// How long the checker has.
    package struct Timing: Sendable, Hashable {
        /// The longest that one check may take; flag `--check-timeout`.
        package var check: Duration = .seconds(10)
        /// The longest that a check waits for others, or for a type checker that is being started.
        package var patience: Duration = .seconds(20)

        /// The default times.
        package init() {}
    }

    private let client: HTTPClient
    private let timing: Timing

    /// A connection that gives up after the times of `timing`.
    package init(client: HTTPClient, timing: Timing = Timing()) {
        self.client = client
        self.timing = timing
    }

    package func check(_ source: [UInt8], file: String, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult
    {
        // JavaScript can be longer than its source: enums, decorators, and the source map. Escaped as JSON it can be
        // longer again. A parser that ends is asked a second time.
        let body = try await ask(
            "/check?file=\(file)", source, at: endpoint, limit: 16 * source.count + (1 << 20),
            within: timing.check * 2 + timing.patience)
        return try CheckerAnswer(body).checkResult(file: file)
    }

    package func check(_ tree: FileTree, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult {
        let question = try CheckerQuestion(tree)
        let body = try await ask(
            "/check?files=true", question.bytes, at: endpoint, limit: 16 * question.bytes.count + (1 << 20),
            within: timing.check * 2 + timing.patience)
        return try CheckerAnswer(body).checkResult(of: tree)
    }

    package func checkTypes(_ tree: FileTree, at endpoint: Endpoint) async throws(BuilderError) -> TypesResult {
        let body = try await ask(
            "/types?files=true&patience=\(milliseconds(timing.patience))", CheckerQuestion(tree).bytes, at: endpoint,
            limit: 1 << 20, within: timing.check * 3 + timing.patience * 2)
        return try CheckerAnswer(body).typesResult(of: tree)
    }

    package func checkTypes(
        _ question: TypesQuestion, at endpoint: Endpoint
    ) async throws(BuilderError) -> TypesResult {
        let body = try await ask(
            "/types?file=\(question.file)&lenient=\(question.isLenient)&patience=\(milliseconds(timing.patience))",
            question.source, at: endpoint, limit: 1 << 20, within: timing.check * 3 + timing.patience * 2)
        return try CheckerAnswer(body).typesResult(file: question.file)
    }

    /// The body of an answer of status 200.
    private func ask(
        _ target: String, _ source: [UInt8], at endpoint: Endpoint, limit: Int, within total: Duration
    ) async throws(BuilderError) -> [UInt8] {
        let request = ClientRequest(
            .post, endpoint.address.url("\(target)&deadline=\(milliseconds(timing.check))"),
            socket: endpoint.address.socket, body: .bytes(source),
            timeouts: Timeouts(connect: .seconds(2), total: total, idle: nil))
        let answer: CollectedResponse
        do {
            answer = try await client.collect(request, limit: limit)
        } catch {
            throw failure(error)
        }
        switch answer.status {
        case 200: return answer.body
        case 504: throw BuilderError(.checkerTooSlow, tooSlow)
        case 503: throw BuilderError(.checkerBusy, "The checker has too much to do; try again in a moment.")
        default: throw BuilderError(.checkerAnswer, "The checker answered with status \(answer.status).")
        }
    }

    private func milliseconds(_ duration: Duration) -> Int { Int(duration / .milliseconds(1)) }

    private var tooSlow: String {
        "Checking the source took longer than \(timing.check / .seconds(1)) s. Make the module smaller or simpler; the operator "
            + "can raise the limit with --check-timeout."
    }

    private func failure(_ error: TransferError) -> BuilderError {
        switch error.code {
        case .timedOut: BuilderError(.checkerTooSlow, tooSlow, cause: error)
        case .tooLarge: BuilderError(.checkerAnswer, "The checker's answer is too long.", cause: error)
        default: BuilderError(.checkerUnavailable, "The checker does not answer; it is being restarted.", cause: error)
        }
    }
}

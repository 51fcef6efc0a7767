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
    private let limits: PackageCheckLimits

    /// A connection that gives up after the times of `timing`, to a checker that keeps to `limits`.
    package init(client: HTTPClient, timing: Timing = Timing(), limits: PackageCheckLimits = PackageCheckLimits()) {
        self.client = client
        self.timing = timing
        self.limits = limits
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

    package func caches(of code: String, at endpoint: Endpoint) async throws(BuilderError) -> CodeCaches {
        // Compiled code is about as long as its source, beside the base image's.
        try CodeCaches(
            try await ask(
                "/code?", Array(code.utf8), at: endpoint, limit: 8 * code.utf8.count + (32 << 20),
                within: timing.check + timing.patience))
    }

    package func checkTypes(
        _ question: TypesQuestion, at endpoint: Endpoint
    ) async throws(BuilderError) -> TypesResult {
        let answer = try await ask(
            target(question), try Self.body(question), at: endpoint, limit: 1 << 20,
            within: timing.check * 3 + timing.patience * 2)
        return try Self.result(answer, of: question)
    }

    package func checkTypes(
        _ question: TypesQuestion, with packages: PackageTypes, at endpoint: Endpoint
    ) async throws(BuilderError) -> TypesResult {
        let target =
            target(question)
            + "&packages=\(packages.digest.hex)&parallel=\(limits.parallel)&residents=\(limits.servers)"
        let asked = try Self.body(question)
        for isRepeated in [false, true] {
            let answer = try await send(
                target, asked, at: endpoint, limit: 1 << 20, within: timing.check * 3 + timing.patience * 2)
            guard answer.status == 404, !isRepeated else { return try Self.result(try body(answer), of: question) }
            let content = try await packages.content()
            let kept = try await send(
                "/packages?digest=\(packages.digest.hex)&bytes=\(limits.bytes)", content, at: endpoint, limit: 1 << 16,
                within: timing.patience + .seconds(60))
            guard kept.status != 413 else {
                return .unchecked(
                    "The types of the packages that it imports are too large for the type checker (--max-package-types)."
                )
            }
            guard kept.status == 204 else { _ = try body(kept); break }
        }
        throw BuilderError(.checkerAnswer, "The type checker does not keep packages.")
    }

    /// Checks the types of a source that imports packages which the checker, being no container, fetches itself (`kiln run`).
    package func checkTypesFetching(
        _ question: TypesQuestion, at endpoint: Endpoint
    ) async throws(BuilderError) -> TypesResult {
        let answer = try await ask(
            target(question) + "&packages=fetched&residents=1", try Self.body(question), at: endpoint, limit: 1 << 20,
            within: timing.check * 3 + timing.patience * 2)
        return try Self.result(answer, of: question)
    }

    private func target(_ question: TypesQuestion) -> String {
        let about =
            switch question.source {
            case .module: "file=\(question.file)&lenient=\(question.isLenient)"
            case .files: "files=true"
            }
        return "/types?\(about)&patience=\(milliseconds(timing.patience))"
    }

    private static func body(_ question: TypesQuestion) throws(BuilderError) -> [UInt8] {
        switch question.source {
        case .module(let source): source
        case .files(let tree): try CheckerQuestion(tree).bytes
        }
    }

    private static func result(_ body: [UInt8], of question: TypesQuestion) throws(BuilderError) -> TypesResult {
        switch question.source {
        case .module: try CheckerAnswer(body).typesResult(file: question.file)
        case .files(let tree): try CheckerAnswer(body).typesResult(of: tree)
        }
    }

    /// The body of an answer of status 200.
    private func ask(
        _ target: String, _ source: [UInt8], at endpoint: Endpoint, limit: Int, within total: Duration
    ) async throws(BuilderError) -> [UInt8] {
        try body(try await send(target, source, at: endpoint, limit: limit, within: total))
    }

    private func send(
        _ target: String, _ source: [UInt8], at endpoint: Endpoint, limit: Int, within total: Duration
    ) async throws(BuilderError) -> CollectedResponse {
        let request = ClientRequest(
            .post, endpoint.address.url("\(target)&deadline=\(milliseconds(timing.check))"),
            socket: endpoint.address.socket, body: .bytes(source),
            timeouts: Timeouts(connect: .seconds(2), total: total, idle: nil))
        do {
            return try await client.collect(request, limit: limit)
        } catch {
            throw failure(error)
        }
    }

    private func body(_ answer: CollectedResponse) throws(BuilderError) -> [UInt8] {
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

import Contract
import NIOHTTP1
import Service

extension DeployerAPI {
    /// Most lines of one answer that does not follow.
    private static let mostLines = 100_000

    /// The lines that the query wants as text, or as JSON lines when the client accepts `application/x-ndjson`.
    func logs(_ request: ServiceRequest, _ name: FunctionName) async throws -> ServiceResponse {
        try request.allowQueryItems(["follow", "since", "tail", "revision", "stream", "previous"])
        let query = try Self.logQuery(request)
        guard try await reconciler.store.function(name) != nil else { throw Reconciler.unknown(name) }
        let lines = await reconciler.backend.logs(of: name, query)
        let structured = request.headers.first(name: "Accept")?.contains("application/x-ndjson") == true
        return ServiceResponse(
            status: 200,
            headers: [("Content-Type", structured ? "application/x-ndjson" : "text/plain; charset=utf-8")],
            body: .stream { writer in
                for await batch in lines {
                    var bytes: [UInt8] = []
                    for line in batch { bytes += structured ? try JSON.encode(line) + [10] : Self.text(line) }
                    try await writer.write(bytes)
                }
            })
    }

    private static func logQuery(_ request: ServiceRequest) throws(Problem) -> LogQuery {
        var query = LogQuery()
        query.follow = try flag(request, "follow")
        query.previous = try flag(request, "previous")
        guard !(query.follow && query.previous) else {
            throw invalid("'previous' shows instances that have ended, so there is nothing to follow. Leave out one.")
        }
        query.revision = try number(request, "revision")
        if let text = try request.queryItem("tail") {
            guard let number = Int(text), (0...mostLines).contains(number) else {
                throw invalid("Option 'tail' takes a number from 0 to \(mostLines).")
            }
            query.tail = number
        }
        if let text = try request.queryItem("stream") {
            guard ["stdout", "stderr"].contains(text) else { throw invalid("Option 'stream' takes stdout or stderr.") }
            query.stream = text
        }
        if let text = try request.queryItem("since") {
            guard let since = since(text) else {
                throw invalid(
                    "Option 'since' takes a time like 2026-01-31T12:00:00.000Z (RFC 3339), or how long ago: 90s, 10m, 2h, 1d."
                )
            }
            query.since = since
        }
        return query
    }

    private static func since(_ text: String) -> Timestamp? {
        if let time = Timestamp(text) { return time }
        guard case .seconds(let seconds) = TimeSpan(text), seconds <= 36_500 * 86_400 else { return nil }
        return Timestamp(milliseconds: Timestamp.now().milliseconds - Int64(seconds) * 1000)
    }

    private static func invalid(_ sentence: String) -> Problem {
        Problem("invalid-option", 400, "Invalid option", sentence)
    }

    private static func text(_ line: LogLine) -> [UInt8] {
        Array("\(line.time) r\(line.revision)/\(line.instance) \(line.stream) \(line.message)\n".utf8)
    }
}

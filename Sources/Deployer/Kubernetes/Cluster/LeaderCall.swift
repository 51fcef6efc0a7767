import Contract
import NIOHTTP1
import Service
import Transfer

/// A call that another Deployer is to answer.
struct LeaderCall: Sendable {
    /// Marks a call that was passed on: it is not passed on again.
    static let mark = "X-Kiln-Passed-On"
    /// The status of a call that was passed on to a Deployer that does not lead (RFC 9110 §15.5.20).
    static let misdirected = 421
    /// Header fields that go along.
    private static let fields = [
        "Authorization", "X-Request-Id", "Content-Type", "Accept", "X-Forwarded-Host", "X-Forwarded-Proto",
    ]
    /// Most bytes of an answer: a report of garbage collection, with everything it found.
    private static let answerLimit = 64 << 20

    let client: HTTPClient
    /// The leader, `host:port`.
    let address: String

    /// Until a leader that does not accept the connection is taken for gone.
    private static let patience = Duration.seconds(2)

    /// Passes `request`, whose body may have `limit` bytes, on and returns the answer; `nil` when it was not reached or does not lead any more, so that
    /// nothing has come of the call. A roll-out takes its time, so the answer may too.
    func pass(_ request: ServiceRequest, limit: Int) async throws -> ServiceResponse? {
        var headers: HeaderFields = [Self.mark: "1"]
        for field in Self.fields {
            let value = request.field(field)
            if !value.isEmpty { headers[field] = value }
        }
        headers["X-Request-Id"] = request.id
        let body = try await request.body.collect(upTo: limit)
        let call = ClientRequest(
            Transfer.Method(rawValue: request.method), "http://\(address)\(Self.target(request))", headers: headers,
            body: body.isEmpty ? .none : .bytes(body), timeouts: Timeouts(connect: Self.patience, total: nil, idle: nil)
        )
        do {
            let answer = try await client.collect(call, limit: Self.answerLimit)
            if answer.status == Self.misdirected { return nil }
            let shown = ["Content-Type", "Retry-After", "Allow", "Link"].compactMap { name in
                answer.headers[name].map { (name: name, value: $0) }
            }
            return ServiceResponse(status: answer.status, headers: shown, body: .bytes(answer.body))
        } catch  where [.cannotConnect, .timedOut].contains(error.code) {
            // No time but that for connecting is limited.
            return nil
        } catch {
            throw Self.lost("The Deployer that leads did not answer: \(error.message)")
        }
    }

    /// The answer to a call whose leader has ended before it was done.
    static func lost(_ reason: String) -> Problem {
        Problem(
            "leader-lost", 503, "The leading Deployer changed",
            "\(reason) What was recorded is carried on by the next one; GET /func/NAME tells.", retryAfter: 5)
    }

    private static func target(_ request: ServiceRequest) -> String {
        let path = request.path.map { "/" + PercentEncoding.encode($0) }.joined()
        guard !request.query.isEmpty else { return path }
        let items = request.query.map { "\(PercentEncoding.encode($0.name))=\(PercentEncoding.encode($0.value))" }
        return path + "?" + items.joined(separator: "&")
    }
}

import Contract
import Router
import Service
import Telemetry
import Transfer

/// What the Router's process answers on its own socket, to which the front door passes `/metrics` and `/openapi.json`: the metrics of all
/// roles in one, and the description of the API.
struct Observer: Sendable {
    /// The longest that a role's part is waited for, and its most bytes.
    private static let patience = Duration.seconds(3)
    private static let limit = 64 << 20
    /// The most bytes of a ``RouteCheck`` or ``ReachCheck``, and the longest that its answer takes, in milliseconds.
    private static let checkLimit = 1 << 20
    private static let longestWait = 30_000

    let server: RouterServer
    let client: HTTPClient
    let token: String
    /// The other roles, and where they are asked.
    let roles: [(name: String, address: RoleAddress)]
    /// Who is asked by Deployers that do not feed this Router.
    var witness: RouteWitness?
    /// Who dials for them.
    var probe: ReachProbe?
    /// What is recorded of requests, if anything is.
    var spans: SpanQueue?

    /// Answers one request.
    func handle(_ request: ServiceRequest) async throws -> ServiceResponse {
        switch request.path {
        case ["healthz"], ["readyz"]:
            return ServiceResponse(
                status: 200, headers: [("Content-Type", "text/plain")], body: .bytes(Array("ok\n".utf8)))
        case ["metrics"]:
            try allow(request)
            let text = try await metrics()
            guard OpenMetricsText.isAccepted(request.field("Accept")) else {
                return ServiceResponse(
                    status: 200, headers: [("Content-Type", MetricText.mediaType), ("Vary", "Accept")],
                    body: .bytes(text))
            }
            return ServiceResponse(
                status: 200, headers: [("Content-Type", OpenMetricsText.mediaType), ("Vary", "Accept")],
                body: .bytes(OpenMetricsText.encode(text)))
        case ["openapi.json"]:
            try allow(request)
            return ServiceResponse(
                status: 200, headers: [("Content-Type", "application/json")],
                body: .bytes(PackageResources.openapi_json))
        case ["internal", "routed"] where request.method == "POST": return try await routed(request)
        case ["internal", "reached"] where request.method == "POST": return try await reached(request)
        default:
            throw Problem(
                "not-found", 404, "Not found",
                "There is no call \(request.method) /\(request.path.joined(separator: "/")).")
        }
    }

    private func allow(_ request: ServiceRequest) throws(Problem) {
        try request.allowQueryItems([])
        guard ["GET", "HEAD"].contains(request.method) else {
            throw Problem(
                "method-not-allowed", 405, "Method not allowed",
                "/\(request.path.joined(separator: "/")) takes GET, not \(request.method).", allow: "GET, HEAD")
        }
    }

    private func routed(_ request: ServiceRequest) async throws -> ServiceResponse {
        let check = try JSON.decode(RouteCheck.self, from: try await request.body.collect(upTo: Self.checkLimit))
        let holds = await witness?.holds(check, within: Self.patience(check.waitMilliseconds))
        return ServiceResponse(status: holds == true ? 204 : 409)
    }

    private func reached(_ request: ServiceRequest) async throws -> ServiceResponse {
        let check = try JSON.decode(ReachCheck.self, from: try await request.body.collect(upTo: Self.checkLimit))
        let holds = await probe?.reaches(check.addresses, within: Self.patience(check.waitMilliseconds))
        return ServiceResponse(status: holds == true ? 204 : 409)
    }

    private static func patience(_ milliseconds: Int) -> Duration {
        .milliseconds(min(max(0, milliseconds), longestWait))
    }

    private func metrics() async throws -> [UInt8] {
        var own = try await server.metrics() + ProcessFigures.families(role: "router", version: Version.text)
        var up = MetricFamily("kiln_role_up", .gauge, "Whether a role has answered when it was asked for its metrics.")
        up.add(1, .init("role", "router"))
        var texts: [[UInt8]] = []
        for (name, text) in await others() {
            up.add(text == nil ? 0 : 1, .init("role", name))
            if let text { texts.append(text) }
        }
        own.append(up)
        own.append(SpanQueue.family(spans?.figures))
        return MetricText.merge([MetricText.encode(own)] + texts)
    }

    private func others() async -> [(String, [UInt8]?)] {
        await withTaskGroup(of: (String, [UInt8]?).self) { group in
            for (name, address) in roles { group.addTask { (name, await text(at: address)) } }
            return await group.reduce(into: []) { $0.append($1) }.sorted { $0.0 < $1.0 }
        }
    }

    private func text(at role: RoleAddress) async -> [UInt8]? {
        let request = ClientRequest(
            .get, role.url("/metrics"), socket: role.socket, headers: ["Authorization": "Bearer \(token)"],
            timeouts: Timeouts(connect: .seconds(1), total: Self.patience, idle: nil))
        guard let answer = try? await client.collect(request, limit: Self.limit), answer.status == 200 else {
            return nil
        }
        return answer.body
    }
}

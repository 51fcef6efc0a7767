import Contract
import Logging
import NIOCore
import Service
import Telemetry

/// The Deployer's HTTP interface: management calls that the Router passes on, and the internal ones of Builder and Router.
package struct DeployerAPI: Sendable {
    /// The longest body of a call, in bytes: a deploy request carries at most the environment and a lock.
    static let bodyLimit = 4 << 20

    let reconciler: Reconciler
    let isReady: @Sendable () -> Bool
    let onBase: @Sendable (PinnedImage) async throws -> Void
    let version: String
    let logger: Logger
    let collection: GarbageCollection?

    /// An interface to `reconciler`. `onBase` is told the base image whenever the Builder has one.
    package init(
        reconciler: Reconciler, version: String = "", logger: Logger, collection: GarbageCollection? = nil,
        isReady: @escaping @Sendable () -> Bool,
        onBase: @escaping @Sendable (PinnedImage) async throws -> Void
    ) {
        self.reconciler = reconciler
        self.version = version
        self.logger = logger
        self.isReady = isReady
        self.onBase = onBase
        self.collection = collection
    }

    /// Answers one request.
    package func handle(_ request: ServiceRequest) async throws -> ServiceResponse {
        switch request.path.first {
        case "healthz":
            return ServiceResponse(
                status: 200, headers: [("Content-Type", "text/plain")], body: .bytes(Array("ok\n".utf8)))
        case "readyz":
            return ServiceResponse(
                status: isReady() ? 200 : 503, headers: [("Content-Type", "text/plain")],
                body: .bytes(Array(isReady() ? "ready\n".utf8 : "starting\n".utf8)))
        case "metrics": return await metrics()
        case "func": return try await management(request)
        case "base" where request.path.count == 1: return try await listBases(request)
        case "gc" where request.path.count == 1: return try await collect(request)
        case "internal": return try await internalCall(request)
        default: throw Self.notFound(request)
        }
    }

    private func metrics() async -> ServiceResponse {
        let families = await reconciler.metricFamilies() + ProcessFigures.families(role: "deployer", version: version)
        return ServiceResponse(
            status: 200, headers: [("Content-Type", MetricText.mediaType)], body: .bytes(MetricText.encode(families)))
    }

    private func management(_ request: ServiceRequest) async throws -> ServiceResponse {
        let path = request.path
        if path.count == 1 {
            guard request.method == "GET" || request.method == "HEAD" else {
                throw Self.notAllowed(request, "GET, HEAD, POST")
            }
            return try await list(request)
        }
        let name = try Self.name(path[1])
        switch (path.count, path.count > 2 ? path[2] : "") {
        case (2, _): return try await one(request, name)
        case (3, "revisions"):
            try allow(request, "GET")
            try request.allowQueryItems([])
            return try await revisions(name)
        case (3, "rollback"):
            try allow(request, "POST")
            try request.allowQueryItems(["to"])
            var answer = try await reconciler.rollback(name, to: Self.number(request, "to"))
            reconciler.metrics.count("kiln_rollbacks_total")
            answer.url = request.externalURL(answer.url)
            return try .json(answer)
        case (3, "traffic"): return try await traffic(request, name)
        case (3, "rebake"): throw Self.notAllowed(request, "POST")
        case (3, "pin"): return try await pin(request, name)
        // The Router gives POST to the Builder.
        case (3, "verify"): throw Self.notAllowed(request, "POST")
        case (3, "logs"):
            try allow(request, "GET")
            return try await logs(request, name)
        default: throw Self.notFound(request)
        }
    }

    private func one(_ request: ServiceRequest, _ name: FunctionName) async throws -> ServiceResponse {
        try request.allowQueryItems([])
        switch request.method {
        case "GET", "HEAD": return try await show(name)
        case "DELETE":
            try await reconciler.delete(name)
            reconciler.metrics.count("kiln_deletes_total")
            return ServiceResponse(status: 204)
        default: throw Self.notAllowed(request, "GET, HEAD, DELETE")
        }
    }

    private func pin(_ request: ServiceRequest, _ name: FunctionName) async throws -> ServiceResponse {
        try request.allowQueryItems(["revision"])
        guard let number = try Self.number(request, "revision") else {
            throw Problem("invalid-option", 400, "Invalid option", "Say which revision: ?revision=R.")
        }
        let id = RevisionID(function: name, number: number)
        switch request.method {
        case "POST": try await reconciler.pin(id)
        case "DELETE": try await reconciler.unpin(id)
        default: throw Self.notAllowed(request, "POST, DELETE")
        }
        return ServiceResponse(status: 204)
    }

    func allow(_ request: ServiceRequest, _ method: String) throws(Problem) {
        guard request.method == method || (request.method == "HEAD" && method == "GET") else {
            throw Self.notAllowed(request, method == "GET" ? "GET, HEAD" : method)
        }
    }

    static func name(_ text: String) throws(Problem) -> FunctionName {
        do throws(InvalidFunctionName) {
            return try FunctionName(text)
        } catch {
            throw Problem("invalid-name", 400, "Invalid function name", error.description)
        }
    }

    static func number(_ request: ServiceRequest, _ item: String) throws(Problem) -> Int? {
        guard let text = try request.queryItem(item) else { return nil }
        guard let number = Int(text), number > 0 else {
            throw Problem(
                "invalid-option", 400, "Invalid option", "Option '\(item)' takes a revision's number, 1 or higher.")
        }
        return number
    }

    static func notFound(_ request: ServiceRequest) -> Problem {
        Problem(
            "not-found", 404, "Not found", "There is no call \(request.method) /\(request.path.joined(separator: "/"))."
        )
    }

    static func notAllowed(_ request: ServiceRequest, _ methods: String) -> Problem {
        Problem(
            "method-not-allowed", 405, "Method not allowed",
            "/\(request.path.joined(separator: "/")) takes \(methods), not \(request.method).", allow: methods)
    }
}

import Contract
import Logging
import Service
import Support
import Synchronization
import Testing
import Transfer

@testable import Deployer
@testable import Kubernetes

/// How the Routers of a cluster are asked whether they have switched.
@Suite struct ClusterRoutersTests {
    private let check: RouteCheck

    init() throws { check = RouteCheck(function: try FunctionName("hello"), live: 2) }

    @Test(.timeLimit(.minutes(2))) func `where no Router is known nobody is waited for`() async throws {
        try await withRouters { cluster in
            #expect(await cluster.routers.settle(check, deadline: .now + .seconds(60)) == false)
        }
    }

    @Test(.timeLimit(.minutes(2))) func `every Router is waited for, and asked again until it has switched`()
        async throws
    {
        try await withRouters { cluster in
            let answers = Mutex([409, 409, 204])
            let slow = Atomic<Int>(0)
            try await withRouter({ _ in 204 }) { first in
                try await withRouter({ _ in
                    slow.add(1, ordering: .relaxed)
                    return answers.withLock { $0.isEmpty ? 204 : $0.removeFirst() }
                }) { second in
                    try await cluster.list([("a", first), ("b", second)])
                    #expect(await cluster.routers.settle(check, deadline: .now + .seconds(60)))
                    #expect(slow.load(ordering: .relaxed) == 3)
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(2))) func `who cannot tell what accepts connections is not believed`() async throws {
        try await withRouters { cluster in
            let pod = Endpoint.Address.tcp(host: "10.0.0.1", port: 8000)
            #expect(await cluster.routers.reach([pod], within: .seconds(1)) == nil)
            // One of a version that does not know the question.
            try await withRouter({ _ in 204 }) { port in
                try await cluster.list([("a", port)])
                #expect(await cluster.routers.reach([pod], within: .seconds(1)) == nil)
            }
            try await cluster.list([("a", try freePort())])
            #expect(await cluster.routers.reach([pod], within: .seconds(1)) == nil)
        }
    }

    @Test(.timeLimit(.minutes(2))) func `what is asked is what was recorded`() async throws {
        try await withRouters { cluster in
            let asked = Mutex<[RouteCheck]>([])
            try await withRouter({ check in
                asked.withLock { $0.append(check) }
                return 204
            }) { port in
                try await cluster.list([("a", port)])
                var wanted = check
                wanted.pinned = [1, 2]
                wanted.without = ["pod"]
                #expect(await cluster.routers.settle(wanted, deadline: .now + .seconds(60)))
                var seen = try #require(asked.withLock { $0.first })
                #expect((1...5000).contains(seen.waitMilliseconds))
                seen.waitMilliseconds = 0
                #expect(seen == wanted)
            }
        }
    }

    @Test(.timeLimit(.minutes(2))) func `one that has ended is not waited for, and one that lags until the deadline`()
        async throws
    {
        try await withRouters { cluster in
            // Nothing listens there.
            try await cluster.list([("a", try freePort())])
            let begin = ContinuousClock.now
            #expect(await cluster.routers.settle(check, deadline: .now + .seconds(60)))
            #expect(ContinuousClock.now - begin < .seconds(30))
            try await withRouter({ _ in 409 }) { port in
                try await cluster.list([("a", port)])
                let deadline = ContinuousClock.now + .seconds(1)
                #expect(await cluster.routers.settle(check, deadline: deadline))
                #expect(.now >= deadline)
            }
        }
    }

    @Test(.timeLimit(.minutes(2))) func `one whose Pod is removed meanwhile is not waited for any more`() async throws {
        try await withRouters { cluster in
            let asked = Atomic<Bool>(false)
            try await withRouter({ _ in
                asked.store(true, ordering: .relaxed)
                return 409
            }) { port in
                try await cluster.list([("a", port)])
                let begin = ContinuousClock.now
                async let settled = cluster.routers.settle(check, deadline: .now + .seconds(60))
                try await waitUntil("it is asked") { asked.load(ordering: .relaxed) }
                try await cluster.list([])
                #expect(await settled)
                #expect(ContinuousClock.now - begin < .seconds(30))
            }
        }
    }

}

/// What asks, and the Service that it looks at.
private struct RouterCluster: Sendable {
    let routers: ClusterRouters
    let service: SimulatedService

    /// Lists Routers, and waits until they have been heard of.
    func list(_ pods: [(name: String, port: Int)]) async throws {
        try await service.list(pods.map { .init($0.name, port: $0.port, isReady: false) })
        // Not only as many: a Router that takes the place of another has its name.
        let ports = Set(pods.map(\.port))
        try await waitUntil("they are known") {
            let known = await routers.known.compactMap { if case .tcp(_, let port) = $0.address { port } else { nil } }
            return Set(known) == ports && known.count == pods.count
        }
    }
}

private let token = "0123456789abcdef0123456789abcdef"

private func withRouters(_ body: @escaping @Sendable (RouterCluster) async throws -> Void) async throws {
    try await withKubernetes(namespaces: ["kiln-system"]) { server in
        var configuration = ClusterRouters.Configuration(namespace: "kiln-system", token: token)
        configuration.wait = .milliseconds(200)
        let routers = ClusterRouters(
            try server.api(), configuration, client: try HTTPClient(), logger: Logger(label: "test"))
        let following = Task { await routers.run() }
        defer { following.cancel() }
        try await body(
            RouterCluster(
                routers: routers,
                service: SimulatedService(
                    try server.api(), configuration.service, in: configuration.namespace, port: configuration.port)))
    }
}

/// Gives `body` the port of a Router that gives these answers.
private func withRouter(
    _ answer: @escaping @Sendable (RouteCheck) -> Int, _ body: (Int) async throws -> Void
) async throws {
    let service = HTTPService(token: token, logger: Logger(label: "test")) { request in
        guard request.path == ["internal", "routed"] else { return ServiceResponse(status: 404) }
        let check = try JSON.decode(RouteCheck.self, from: try await request.body.collect(upTo: 1 << 16))
        let status = answer(check)
        if status == 409 { try await Task.sleep(for: .milliseconds(check.waitMilliseconds)) }
        return ServiceResponse(status: status)
    }
    let (ports, sink) = AsyncStream.makeStream(of: Int.self)
    let serving = Task { try await service.run(on: .tcp(host: "127.0.0.1", port: 0)) { sink.yield($0) } }
    defer { serving.cancel() }
    for await port in ports { return try await body(port) }
}

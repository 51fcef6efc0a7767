import Contract
import Foundation
import Synchronization
import Testing

@testable import Router

/// Endpoints that come and go under load: nothing fails, and what is still at work is told exactly.
@Suite(.serialized) struct SwapTests {
    @Test func `no request fails while instances are swapped, neither GET nor POST`() async throws {
        try await withRouter { router in
            let load = SwapLoad(port: router.port)
            var current = try TestUpstream("v0", path: router.path("v0")) { request in ok(request.text + "v0") }
            try router.route(["f": [current]])
            load.start(clients: 8)
            for round in 1...25 {
                let next = try TestUpstream("v\(round)", path: router.path("v\(round)")) { request in
                    ok(request.text + "v\(round)")
                }
                let version = try router.route(["f": [next]])
                // As the Deployer does: the old instance ends when the Router has the table and nobody is busy there.
                try await eventually("round \(round) has drained") {
                    router.status.map { $0.version.number >= version && $0.busy.isEmpty } == true
                }
                try await eventually("it is called") { load.count > 0 }
                current.stop()
                current = next
                try await Task.sleep(for: .milliseconds(20))
            }
            let (answered, failures) = await load.stop()
            #expect(failures.isEmpty, "\(failures.prefix(3)) of \(answered)")
            #expect(answered > 500)
        }
    }

    @Test func `no request fails, nor waits long, while tables of 10,000 functions are swapped`() async throws {
        let others = try (0..<9_999).map { try FunctionName("g\($0)") }
        func table(_ round: Int, _ upstream: TestUpstream) throws -> [FunctionName: Route] {
            func route(_ endpoint: Endpoint) -> Route {
                Route(targets: [
                    RouteTarget(
                        revision: round, weight: 1, timeoutMilliseconds: 10_000, concurrency: 100, endpoints: [endpoint]
                    )
                ])
            }
            // No function stays as it was, and each instance is another one.
            var table = [try FunctionName("f"): route(upstream.endpoint)]
            for name in others {
                table[name] = route(Endpoint(id: "\(name)-\(round)", address: upstream.endpoint.address))
            }
            return table
        }
        try await withRouter { router in
            let load = SwapLoad(port: router.port)
            var current = try TestUpstream("v0", path: router.path("v0")) { request in ok(request.text + "v0") }
            router.apply(try table(1, current))
            load.start(clients: 4)
            let neighbour = SteadyClient(router.port, "/fn/f")
            for round in 1...(isLong ? 25 : 6) {
                let next = try TestUpstream("v\(round)", path: router.path("v\(round)")) { request in
                    ok(request.text + "v\(round)")
                }
                let version = router.apply(try table(round + 1, next))
                try await eventually("round \(round) has drained", seconds: 20) {
                    router.status.map { $0.version.number >= version && $0.busy.isEmpty } == true
                }
                current.stop()
                current = next
                #expect(try await router.get("/fn/g\(round * 300)").text == "v\(round)")
            }
            let (calls, slowest, others) = await neighbour.stop()
            let (answered, failures) = await load.stop()
            print("\(answered + calls) calls while large tables were swapped, the slowest of \(calls) \(slowest) s")
            #expect((failures + others).isEmpty, "\((failures + others).prefix(3)) of \(answered + calls)")
            #expect(answered > 500)
            #expect(slowest < 2)
        }
    }

    @Test func `an instance that left is busy until its last request has ended, dialling included`() async throws {
        try await withRouter { router in
            let gate = DispatchSemaphore(value: 0)
            let old = try TestUpstream("old", path: router.path("old")) { request in
                gate.wait()
                return ok("old")
            }
            let new = try TestUpstream("new", path: router.path("new")) { _ in ok("new") }
            try router.route(["f": [old]])
            async let first = router.get("/fn/f")
            async let second = router.get("/fn/f")
            try await eventually("both are there") { old.requests.count == 2 }
            let version = try router.route(["f": [new]])
            try await eventually("the table is in use") { router.status?.version.number == version }
            #expect(router.status?.busy == ["old"])
            #expect(try await router.get("/fn/f").text == "new")
            gate.signal()
            try await Task.sleep(for: .milliseconds(100))
            #expect(router.status?.busy == ["old"])
            gate.signal()
            try await eventually("nobody is busy") { router.status?.busy == [] }
            #expect(try await [first.text, second.text] == ["old", "old"])
        }
    }

    @Test func `it is told whether a function is routed as recorded, and what left is unused`() async throws {
        try await withRouter { router in
            let (f, gate) = (try FunctionName("f"), DispatchSemaphore(value: 0))
            func holds(_ live: Int?, pinned: Set<Int> = [], without: Set<String> = []) -> Bool {
                router.server.holds(RouteCheck(function: f, live: live, pinned: pinned, without: without))
            }
            // Without a table nothing is passed on.
            #expect(holds(7))
            let old = try TestUpstream("old", path: router.path("old")) { request in
                gate.wait()
                return ok("old")
            }
            let new = try TestUpstream("new", path: router.path("new")) { _ in ok("new") }
            func target(_ revision: Int, _ upstream: TestUpstream) -> RouteTarget {
                RouteTarget(
                    revision: revision, weight: 1, timeoutMilliseconds: 10_000, concurrency: 10,
                    endpoints: [upstream.endpoint])
            }
            router.apply([f: Route(targets: [target(1, old)])])
            try await eventually("revision 1 is routed") { holds(1) }
            #expect(!holds(2) && !holds(nil) && !holds(1, pinned: [2]) && !holds(1, without: ["old"]))
            async let first = router.get("/fn/f")
            try await eventually("it is there") { old.requests.count == 1 }
            router.apply([f: Route(targets: [target(2, new)])])
            try await eventually("revision 2 is routed") { holds(2) }
            #expect(!holds(2, without: ["old"]) && holds(2, without: ["other"]))
            gate.signal()
            #expect(try await first.text == "old")
            try await eventually("the old one is unused") { holds(2, without: ["old"]) }
            router.apply([f: Route(targets: [target(2, new)], pinned: [target(1, old)])])
            try await eventually("revision 1 is pinned") { holds(2, pinned: [1]) }
            #expect(!holds(2))
            router.apply([:])
            try await eventually("nothing is routed") { holds(nil) }
        }
    }

    @Test func `a request that is still dialling counts`() async throws {
        try await withRouter(
            loops: 1,
            configure: {
                $0.timeouts.connect = .milliseconds(500); $0.timeouts.hold = .seconds(1)
            }
        ) { router in
            // Nobody accepts, and the backlog is full: the dial hangs.
            let hanging = try HangingListener()
            let endpoint = Endpoint(id: "hanging", address: .tcp(host: "127.0.0.1", port: hanging.port))
            try router.route(endpoints: ["f": [endpoint]])
            async let answer = router.get("/fn/f")
            try await Task.sleep(for: .milliseconds(100))
            let version = try router.route(endpoints: ["f": []])
            try await eventually("the table is in use") { router.status?.version.number == version }
            #expect(router.status?.busy == ["hanging"])
            try await eventually("the dial is over") { router.status?.busy == [] }
            #expect(try await answer.status >= 502)
        }
    }

    @Test func `idle connections to an instance that left are closed at once`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            for _ in 0..<3 { #expect(try await router.get("/fn/f").status == 200) }
            #expect(upstream.open == 1)
            try router.route(endpoints: ["f": []])
            try await eventually("they are closed", seconds: 1) { upstream.open == 0 }
        }
    }

    @Test func `idle connections are closed before the instance would`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.pooled = .milliseconds(100) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            #expect(try await router.get("/fn/f").status == 200)
            try await eventually("it is closed", seconds: 1) { upstream.open == 0 }
            #expect(try await router.get("/fn/f").status == 200)
            #expect(upstream.accepted == 2)
        }
    }

    @Test func `updates arrive in order, each reported`() async throws {
        try await withRouter { router in
            try router.route(endpoints: ["f": []])
            for number in 2...50 {
                router.server.apply(
                    .update(
                        RouteUpdate(
                            version: TableVersion(epoch: "test", number: number),
                            changed: [try FunctionName("g\(number)"): Route(targets: [])],
                            removed: number > 2 ? [try FunctionName("g\(number - 1)")] : [])))
            }
            try await eventually("the last one is in use") { router.status?.version.number == 50 }
            #expect(try await router.get("/fn/g50")["X-Kiln-Reason"] == "nothing-serves")
            #expect(try await router.get("/fn/g49")["X-Kiln-Reason"] == "unknown-function")
            // Another run of the Deployer counts anew.
            router.server.apply(.snapshot(version: TableVersion(epoch: "next", number: 1), routes: [:]))
            try await eventually("the new epoch is in use") {
                router.status?.version == TableVersion(epoch: "next", number: 1)
            }
        }
    }

    @Test func `requests spread over instances, weights and pins hold`() async throws {
        try await withRouter(loops: 1) { router in
            let upstreams = try (0..<4).map { index in
                try TestUpstream("i\(index)", path: router.path("i\(index)")) { _ in ok("\(index)") }
            }
            func target(_ revision: Int, _ weight: Int, _ members: [Int]) -> RouteTarget {
                RouteTarget(
                    revision: revision, weight: weight, timeoutMilliseconds: 5000, concurrency: 10,
                    endpoints: members.map { upstreams[$0].endpoint })
            }
            router.apply([
                try FunctionName("f"): Route(
                    targets: [target(1, 80, [0, 1]), target(2, 20, [2])], pinned: [target(9, 0, [3])])
            ])
            let counts = try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                var counts: [String: Int] = [:]
                for _ in 0..<500 {
                    try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                    counts[try socket.receiveResponse().text, default: 0] += 1
                }
                return counts
            }
            #expect((50...150).contains(counts["2"] ?? 0) && counts["3"] == nil, "\(counts)")
            #expect((counts["0"] ?? 0) > 100 && (counts["1"] ?? 0) > 100, "\(counts)")
            #expect(try await router.get("/fn/f@9/x").text == "3")
            #expect(try await router.get("/fn/f@2").text == "2")
            #expect(try await router.get("/fn/f@3").status == 404)
        }
    }
}

/// Clients that call without a pause, half GET and half POST, each on a connection that it keeps.
final class SwapLoad: Sendable {
    private struct State {
        var stopping = false
        var running = 0
        var answered = 0
        var failures: [String] = []
    }

    private let port: Int
    private let state = Mutex(State())

    init(port: Int) { self.port = port }

    var count: Int { state.withLock { $0.answered } }

    func start(clients: Int) {
        for client in 0..<clients {
            state.withLock { $0.running += 1 }
            Thread { [self] in
                run(post: client.isMultiple(of: 2))
                state.withLock { $0.running -= 1 }
            }.start()
        }
    }

    func stop() async -> (Int, [String]) {
        state.withLock { $0.stopping = true }
        while state.withLock({ $0.running }) > 0 { try? await Task.sleep(for: .milliseconds(5)) }
        return state.withLock { ($0.answered, $0.failures) }
    }

    private func run(post: Bool) {
        do {
            let socket = try RawSocket.connect(port)
            while !state.withLock({ $0.stopping }) {
                try socket.send(
                    post
                        ? "POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx"
                        : "GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try socket.receiveResponse()
                let good = answer.status == 200 && answer.text.hasPrefix(post ? "xv" : "v")
                state.withLock { state in
                    state.answered += 1
                    if !good { state.failures.append("\(answer.status) \(answer.text)") }
                }
            }
        } catch {
            state.withLock { $0.failures.append("\(error)") }
        }
    }
}

/// A TCP port whose backlog is full, so that a dial neither succeeds nor fails.
private final class HangingListener {
    let port: Int
    private let descriptor: CInt
    private var fillers: [CInt] = []

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = descriptor
        _ = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 ? getsockname(listener, $0, &length) : -1
            }
        }
        port = Int(in_port_t(bigEndian: address.sin_port))
        listen(listener, 0)
        for _ in 0..<4 {
            let filler = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            _ = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(filler, $0, length) }
            }
            fillers.append(filler)
        }
        usleep(50_000)
    }

    deinit {
        for filler in fillers { close(filler) }
        close(descriptor)
    }
}

import Contract
import Foundation
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import Router

/// How a Router starts on a socket it was given, and how it stops.
@Suite struct DrainTests {
    @Test func `a drain lets requests end, closes idle connections, and takes no new ones`() async throws {
        try await withRouter(configure: { $0.timeouts.drainIdle = .milliseconds(200) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                usleep(500_000)
                return ok()
            }
            try router.route(["f": [upstream]])
            let port = router.port
            let idle = try RawSocket.connect(port)
            let used = try RawSocket.connect(port)
            try await onThread {
                try used.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try used.receiveResponse().status == 200)
            }
            async let running = onThread {
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try socket.receiveResponse()
                let rest = try socket.receiveAll()
                return (answer.status, answer["Connection"], rest)
            }
            try await eventually("it runs") { upstream.requests.count == 1 }
            async let drained: Void = router.server.drain(DrainPlan(grace: .seconds(5), tunnelGrace: .seconds(5)))
            try await Task.sleep(for: .milliseconds(50))
            try await onThread {
                // A request on a connection that was idle is answered still, and is its last.
                try used.send("GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try used.receiveResponse()
                #expect(answer.status == 503 && answer["Connection"] == "close")
                var refused = false
                for _ in 0..<100 where !refused {
                    if (try? RawSocket.connect(port)) == nil { refused = true } else { usleep(5_000) }
                }
                #expect(refused)
                #expect(try idle.receiveAll() == "")
            }
            let (status, connection, rest) = try await running
            #expect(status == 200 && connection == "close" && rest == "")
            await drained
        }
    }

    @Test func `until its lead is over a drain fails readiness only, and takes new connections`() async throws {
        try await withRouter(configure: { $0.timeouts.drainIdle = .milliseconds(100) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            try await eventually("the table is in use") { router.status != nil }
            #expect(try await router.get("/readyz").status == 200)
            let lead = Duration.milliseconds(800)
            let began = ContinuousClock.now
            async let drained: Void = router.server.drain(DrainPlan(lead: lead, grace: .seconds(5)))
            while try await router.get("/readyz").status != 503, .now < began + .seconds(5) {}
            var served = 0
            while .now < began + lead / 2 {
                #expect(try await router.get("/fn/f").status == 200)
                served += 1
            }
            #expect(served > 0)
            await drained
            #expect(.now - began >= lead)
            #expect(throws: RawSocket.Failure.self) { try router.connect() }
        }
    }

    @Test func `a drain's grace ends`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                server.record(try socket.receiveRequest())
                _ = try? socket.receiveSome(seconds: 10)
            }
            try router.route(["f": [upstream]])
            async let call = try? router.get("/fn/f")
            try await eventually("it runs") { upstream.requests.count == 1 }
            let clock = ContinuousClock()
            let elapsed = await clock.measure {
                await router.server.drain(DrainPlan(grace: .milliseconds(200), tunnelGrace: .milliseconds(200)))
            }
            #expect(elapsed < .seconds(2))
            #expect(await call == nil)
        }
    }

    @Test func `tunnels are given longer`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send("HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
                _ = try? socket.receiveSome(seconds: 10)
            }
            try router.route(["f": [upstream]])
            let socket = try router.connect()
            try await onThread {
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n")
                #expect(try socket.receiveHead().status == 101)
            }
            let clock = ContinuousClock()
            let elapsed = await clock.measure {
                await router.server.drain(DrainPlan(grace: .milliseconds(100), tunnelGrace: .milliseconds(500)))
            }
            #expect(elapsed > .milliseconds(450) && elapsed < .seconds(3))
        }
    }

    @Test func `one Router takes over from another on the same socket, and no request fails`() async throws {
        let descriptor = try loopbackListener(backlog: 128)
        defer { close(descriptor) }
        var previous: (RouterServer, SocketLoopGroup)?
        let upstream = try TestUpstream("a", path: nil) { _ in ok() }
        let failures = Failures()
        let port = try localPort(descriptor)
        let load = Task.detached { await failures.load(port) }
        for _ in 0..<4 {
            let group = try SocketLoopGroup(threads: 1)
            var configuration = RouterConfiguration(listen: .inherited(descriptor: dup(descriptor)))
            configuration.timeouts.drainIdle = .milliseconds(100)
            let server = try await RouterServer.start(configuration, group: group, logger: Logger(label: "test"))
            #expect(server.boundAddress.port == port)
            server.apply(
                RouteTable(
                    version: TableVersion(epoch: "e", number: 1),
                    routes: [
                        try FunctionName("f"): Route(targets: [
                            RouteTarget(
                                revision: 1, weight: 1, timeoutMilliseconds: 1000, concurrency: 10,
                                endpoints: [upstream.endpoint])
                        ])
                    ]))
            if let (old, oldGroup) = previous {
                await old.drain(DrainPlan(grace: .seconds(2), tunnelGrace: .seconds(2)))
                await oldGroup.stop()
            }
            previous = (server, group)
            try await Task.sleep(for: .milliseconds(100))
        }
        load.cancel()
        _ = await load.value
        if let (server, group) = previous {
            await server.close()
            await group.stop()
        }
        #expect(failures.all.isEmpty, "\(failures.all.prefix(3)) of \(failures.answered)")
        #expect(failures.answered > 50)
    }
}

/// A client that keeps its connection as long as it may.
private final class Failures: Sendable {
    private let state = Mutex((answered: 0, failures: [String]()))

    var all: [String] { state.withLock { $0.failures } }
    var answered: Int { state.withLock { $0.answered } }

    func load(_ port: Int) async {
        while !Task.isCancelled {
            try? await onThread { [self] in
                do {
                    let socket = try RawSocket.connect(port)
                    for _ in 0..<20 {
                        try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                        let answer = try socket.receiveResponse()
                        state.withLock { state in
                            state.answered += 1
                            if answer.status != 200 { state.failures.append("\(answer.status)") }
                        }
                        if answer["Connection"] == "close" { break }
                        usleep(2_000)
                    }
                } catch {
                    state.withLock { $0.failures.append("\(error)") }
                }
            }
        }
    }
}

import Contract
import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Router

/// Idle connections to instances that are gone, which only the next request finds out.
@Suite struct StaleConnectionTests {
    /// An instance on a unix socket that answers, and keeps its connections for the test to end.
    private final class Instance: Sendable {
        let upstream: TestUpstream
        private let sockets: Sockets

        private final class Sockets: Sendable { let all = Mutex<[RawSocket]>([]) }

        init(_ id: String, path: String) throws {
            let sockets = Sockets()
            self.sockets = sockets
            upstream = try TestUpstream(id, path: path) { socket, server in
                sockets.all.withLock { $0.append(socket) }
                while let request = try? socket.receiveRequest(seconds: 60) {
                    server.record(request)
                    if request.target.hasSuffix("slow") { Thread.sleep(forTimeInterval: 0.05) }
                    try socket.send(ok(server.endpoint.id))
                }
            }
        }

        func endConnections() {
            let open = sockets.all.withLock { all in
                defer { all = [] }
                return all
            }
            for socket in open { shutdown(socket.descriptor, Int32(SHUT_RDWR)) }
        }
    }

    /// Runs `body` with a Router on one loop, which that can hold up.
    private func withHaltedRouter(_ body: (TestRouter, SocketLoop) async throws -> Void) async throws {
        let directory = NSTemporaryDirectory() + "kiln-stale-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let group = try SocketLoopGroup(threads: 1)
        let configuration = RouterConfiguration(listen: .address(host: "127.0.0.1", port: 0))
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        let server = try await RouterServer.start(configuration, group: group, logger: logger)
        let result: Result<Void, any Error>
        do {
            try await body(TestRouter(server, directory), group.loops[0])
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await server.close()
        await group.stop()
        try result.get()
    }

    /// Does `body` while `loop` does nothing: it is told of all of it at once.
    private func halting(_ loop: SocketLoop, _ body: @escaping @Sendable () throws -> Void) async throws {
        let (halted, over) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        loop.execute {
            halted.signal()
            over.wait()
        }
        try await onThread {
            defer { over.signal() }
            halted.wait()
            try body()
        }
    }

    @Test func `the request behind one that cannot be sent is answered`() async throws {
        try await withHaltedRouter { router, loop in
            let instance = try Instance("a", path: router.path("a"))
            try router.route(["f": [instance.upstream]])
            var failed = 0
            for _ in 0..<10 {
                let client = try router.connect()
                try client.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                let first = try await onThread { try client.receiveResponse() }
                #expect(first.status == 200)
                try await halting(loop) {
                    try client.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
                    try client.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                    // What became ready first is told of first.
                    instance.endConnections()
                }
                let answers = try await onThread {
                    [try client.receiveResponse().status, try client.receiveResponse().status]
                }
                #expect(answers == [502, 200] || answers == [200, 200])
                failed += answers[0] == 502 ? 1 : 0
            }
            #expect(failed > 0)
        }
    }

    @Test func `a request that cannot be sent is sent over another's idle connection`() async throws {
        try await withHaltedRouter { router, loop in
            let (one, other) = (
                try Instance("a", path: router.path("a")), try Instance("b", path: router.path("b"))
            )
            try router.route(["f": [one.upstream, other.upstream]], concurrency: 1)
            // Which of the two gets a request is up to chance.
            for _ in 0..<24 {
                let clients = try (0..<2).map { _ in try router.connect() }
                for client in clients { try client.send("GET /fn/f/slow HTTP/1.1\r\nHost: h\r\n\r\n") }
                let warm = try await onThread { try clients.map { try $0.receiveResponse().status } }
                #expect(warm == [200, 200])
                try await halting(loop) {
                    try clients[0].send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                    one.endConnections()
                }
                let answer = try await onThread { try clients[0].receiveResponse() }
                #expect(answer.status == 200)
            }
        }
    }
}

import Contract
import Foundation
import Synchronization
import Testing

@testable import Router

/// Connections that stop being HTTP.
@Suite struct TunnelTests {
    private static let upgrade =
        "Host: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    private static let switching =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

    /// Switches, sends `greeting` along with the 101, and returns what it gets.
    private func echo(_ router: TestRouter, greeting: String = "", tcp: Bool = false) throws -> TestUpstream {
        try TestUpstream("a", path: tcp ? nil : router.path("a")) { socket, server in
            server.record(try socket.receiveRequest())
            try socket.send(Self.switching + greeting)
            while let bytes = try? socket.receiveSome(seconds: 30), !bytes.isEmpty { try socket.send(bytes) }
            try socket.send("bye")
        }
    }

    @Test(arguments: [false, true])
    func `bytes pass both ways, those that came early included`(tcp: Bool) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try echo(router, greeting: "hello", tcp: tcp)
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f/ws HTTP/1.1\r\n" + Self.upgrade + "early")
                let head = try socket.receiveHead()
                #expect(head.status == 101 && head["Upgrade"] == "websocket" && head["Connection"] == "Upgrade")
                #expect(head["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                #expect(try socket.receive(10) == Array("helloearly".utf8))
                for index in 0..<50 {
                    let message = [UInt8](repeating: UInt8(index), count: 1 << (index % 16))
                    try socket.send(message)
                    #expect(try socket.receive(message.count) == message)
                }
                // The end of one direction leaves the other open.
                socket.endOutput()
                #expect(try socket.receiveAll() == "bye")
            }
            #expect(upstream.requests[0]["Sec-WebSocket-Key"] == "dGhlIHNhbXBsZSBub25jZQ==")
            #expect(upstream.requests[0]["Upgrade"] == "websocket")
        }
    }

    @Test func `an end on either side ends the other`() async throws {
        try await withRouter(loops: 1) { router in
            let ended = Mutex(false)
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                let request = try socket.receiveRequest()
                try socket.send(Self.switching)
                if request.target == "/close" { return }
                while let bytes = try? socket.receiveSome(seconds: 30), !bytes.isEmpty {}
                ended.withLock { $0 = true }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f/close HTTP/1.1\r\n" + Self.upgrade)
                #expect(try socket.receiveHead().status == 101)
                #expect(try socket.receiveAll() == "")
                let other = try RawSocket.connect(port)
                try other.send("GET /fn/f HTTP/1.1\r\n" + Self.upgrade)
                #expect(try other.receiveHead().status == 101)
                other.reset()
            }
            try await eventually("the instance sees the end") { ended.withLock { $0 } }
            try router.route(endpoints: [:])
            try await eventually("nobody is busy") { router.status?.version.number == 2 && router.status?.busy == [] }
        }
    }

    @Test func `an instance may refuse, and the connection goes on`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("no") }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                for _ in 0..<2 {
                    try socket.send("GET /fn/f HTTP/1.1\r\n" + Self.upgrade)
                    #expect(try socket.receiveResponse().text == "no")
                }
            }
        }
    }

    @Test(arguments: [
        "HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n", "HTTP/1.1 101 X\r\n\r\n",
    ])
    func `a 101 to something else is a bad gateway`(response: String) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in response }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\n" + Self.upgrade)
                #expect(try socket.receiveResponse().status == 502)
            }
        }
    }

    @Test func `a tunnel outlives the route's timeout but not its own silence`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.tunnel = .milliseconds(400) }) { router in
            let upstream = try echo(router)
            try router.route(["f": [upstream]], timeout: .milliseconds(100))
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\n" + Self.upgrade)
                #expect(try socket.receiveHead().status == 101)
                for _ in 0..<4 {
                    usleep(200_000)
                    try socket.send("x")
                    #expect(try socket.receive(1) == [120])
                }
                #expect(try socket.receiveAll() == "")
            }
        }
    }
}

import Foundation
import Testing

@testable import Router

/// Raw bytes in, status out: what a front door must not let through (RFC 9112 §11, and what has been used against
/// proxies).
///
/// After each refusal the connection must be at its end, and nothing may have reached the instance.
@Suite struct SmugglingTests {
    private static let refused: [(String, Int)] = [
        // Two lengths, or one nobody can be sure of.
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\n\nX", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nContent-Length: 5\n\n0\n\nX", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 5\nTransfer-Encoding:\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 5\nContent-Length: 5\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 5\nContent-Length: 6\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 5, 5\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: +5\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 5 \u{b}\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 0x5\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 5.0\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: -1\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 18446744073709551620\n\nabcd", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length:\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length : 5\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length\u{0}: 5\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 5\t\n\nabcde", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nContent-Length:\t5\n\nabcde", 400),
        // Transfer codings.
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: \tchunked\n\n0\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: gzip, chunked\n\n0\n\n", 501),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: chunked, chunked\n\n0\n\n", 501),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: chunked, identity\n\n0\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: identity\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: xchunked\n\n0\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\u{0}\n\n0\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\nTransfer-Encoding: x\n\n0\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding : chunked\n\n0\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\n Transfer-Encoding: chunked\n\n0\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nX: a\n\tTransfer-Encoding: chunked\n\n0\n\n", 400),
        ("POST /fn/f HTTP/1.0\nHost: h\nTransfer-Encoding: chunked\n\n0\n\n", 400),
        // Lines.
        ("GET /fn/f HTTP/1.1\rHost: h\n\n", 400), ("GET  /fn/f HTTP/1.1\nHost: h\n\n", 400),
        ("GET /fn/f HTTP/1.1 \nHost: h\n\n", 400), (" GET /fn/f HTTP/1.1\nHost: h\n\n", 400),
        ("GET /fn/f\nHost: h\n\n", 400), ("GET /fn/f\u{b}HTTP/1.1\nHost: h\n\n", 400),
        ("\n\nGET /fn/f HTTP/1.1\nHost: h\n\n", 400), ("GET /fn/f HTTP/1.1\nHost: h\nNoColon\n\n", 400),
        ("GET /fn/f HTTP/1.1\nHost: h\n: empty\n\n", 400), ("GET /fn/f HTTP/1.1\nHost: h\nX\u{1}: y\n\n", 400),
        ("GET /fn/f HTTP/1.1\nHost: h\nX: y\u{0}z\n\n", 400), ("GET /fn/f HTTP/1.1\nHost: h\nX: y\rz\n\n", 400),
        ("GET /fn/f HTTP/1.1\nHost: h\nX(Y): z\n\n", 400),
        ("GET /fn/f HTTP/1.2\nHost: h\n\n", 505), ("GET /fn/f HTTP/2.0\nHost: h\n\n", 505),
        ("GET /fn/f HTTP/0.9\nHost: h\n\n", 505),
        ("GET /fn/f HTTP/1.10\nHost: h\n\n", 400), ("GET /fn/f ICY/1.1\nHost: h\n\n", 400),
        ("PRI * HTTP/2.0\nHost: h\n\n", 505), ("\u{16}\u{3}\u{1}\u{2}\n\n", 400),
        // Host.
        ("GET /fn/f HTTP/1.1\n\n", 400), ("GET /fn/f HTTP/1.1\nHost:\n\n", 400),
        ("GET /fn/f HTTP/1.1\nHost: a\nHost: a\n\n", 400),
        ("GET /fn/f HTTP/1.1\nHost: h\t\n\n", 400), ("GET /fn/f HTTP/1.1\nHost: a, b\n\n", 400),
        ("GET /fn/f HTTP/1.1\nHost: a/b\n\n", 400),
        ("GET /fn/f HTTP/1.1\nHost: u@h\n\n", 400), ("GET /fn/f HTTP/1.1\nHost: h:port\n\n", 400),
        ("GET http://u@h/fn/f HTTP/1.1\nHost: h\n\n", 400), ("GET http:///fn/f HTTP/1.1\nHost: h\n\n", 400),
        // Targets.
        ("GET /fn/f#x HTTP/1.1\nHost: h\n\n", 400), ("CONNECT h:80 HTTP/1.1\nHost: h\n\n", 400),
        ("GET fn/f HTTP/1.1\nHost: h\n\n", 400), ("GET ftp://h/fn/f HTTP/1.1\nHost: h\n\n", 400),
        ("GET /fn/f/../../func HTTP/1.1\nHost: h\n\n", 400), ("GET /fn/f/%2e%2e/x HTTP/1.1\nHost: h\n\n", 400),
        ("GET /fn/f/..%2fx HTTP/1.1\nHost: h\n\n", 400), ("GET /fn/f/..%5cx HTTP/1.1\nHost: h\n\n", 400),
        ("TRACE /fn/f HTTP/1.1\nHost: h\n\n", 405),
        // Fields that Connection must not take away, and other limits.
        ("GET /fn/f HTTP/1.1\nHost: h\nConnection: host\n\n", 400),
        ("GET /fn/f HTTP/1.1\nHost: h\nConnection: close, X-Forwarded-For\n\n", 400),
        ("POST /fn/f HTTP/1.1\nHost: h\nExpect: 200-ok\nContent-Length: 1\n\na", 417),
        ("GET /fn/f/\(String(repeating: "a", count: 8200)) HTTP/1.1\nHost: h\n\n", 414),
        ("GET /fn/f HTTP/1.1\nHost: h\nX: \(String(repeating: "a", count: 33_000))\n\n", 431),
        ("GET /fn/f HTTP/1.1\nHost: h\n\(String(repeating: "X: y\n", count: 101))\n", 431),
    ]

    @Test func `what is ambiguous or malformed is refused, and nothing of it reaches an instance`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("reached") }
            try router.route(["f": [upstream]])
            for (request, status) in Self.refused {
                try await onThread { [port = router.port] in
                    let socket = try RawSocket.connect(port)
                    let smuggled = "GET /fn/f/smuggled HTTP/1.1\nHost: h\n\n"
                    try? socket.send((request + smuggled).replacing("\n", with: "\r\n"))
                    let answer = try socket.receiveResponse()
                    let comment = "\(request.prefix(120).debugDescription)"
                    #expect(answer.status == status, "\(comment)")
                    #expect(answer["X-Kiln-Reason"] != nil && answer["Server"] == "kiln-router", "\(comment)")
                    if answer["Connection"] == "close" {
                        let rest = (try? socket.receiveAll()) ?? ""
                        #expect(!rest.contains("HTTP/1.1"), "\(comment)")
                    } else {
                        // The bytes that follow are beyond doubt a request of their own.
                        #expect([400, 405].contains(status) && !request.contains("Content-Length"), "\(comment)")
                    }
                }
            }
            let reached = upstream.requests.filter { $0.target != "/smuggled" }
            #expect(reached.isEmpty, "\(reached.map(\.line))")
        }
    }

    @Test func `a line without CR is refused at once`() async throws {
        try await withRouter(loops: 1) { router in
            try await onThread { [port = router.port] in
                for text in ["GET /fn/f HTTP/1.1\nHost: h\n\n", "\nGET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nX: y\n"]
                {
                    let socket = try RawSocket.connect(port)
                    try socket.send(text)
                    #expect(try socket.receiveResponse().status == 400)
                }
            }
        }
    }

    @Test(arguments: [
        "g\n\n", "5\nabcdeX\n0\n\n", "5 \nabcde\n0\n\n", "-5\nabcde\n0\n\n", "0x5\nabcde\n0\n\n",
        "ffffffffffffffff\nabc",
        "5;\u{0}\nabcde\n0\n\n", "5;\(String(repeating: "x", count: 300))\nabcde\n0\n\n", "5\nabcde\n0\nX Y: z\n\n",
        "5\nabcde\n0\n folded: z\n\n", "5\nabcde\n0\n\(String(repeating: "X: y\n", count: 101))\n",
    ])
    func `a malformed chunk ends the request`(body: String) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let answer = try await router.call("POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n" + body)
            #expect([400, 431].contains(answer.status) && answer["Connection"] == "close")
            #expect(upstream.requests.isEmpty)
        }
    }

    /// A function is a stranger's program too: what it answers must not become another client's response.
    @Test(arguments: [
        "HTTP/1.1 200 OK\nContent-Length: 1\nContent-Length: 2\n\nab", "HTTP/1.1 200 OK\nContent-Length: 1, 1\n\na",
        "HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n",
        "HTTP/1.1 200 OK\nTransfer-Encoding: gzip\n\n", "HTTP/1.0 200 OK\nTransfer-Encoding: chunked\n\n0\n\n",
        "HTTP/1.1 200 OK\nX: a\n b\n\n", "HTTP/1.1 200 OK\nX : a\n\n", "HTTP/1.1 200 OK\nX: a\rb\n\n",
        "HTTP/2 200 OK\n\n",
        "garbage\n\n", "HTTP/1.1 101 Switching\nConnection: Upgrade\nUpgrade: websocket\n\n", "HTTP/1.1 099 X\n\n",
        "HTTP/1.1 200 OK\n\(String(repeating: "X: y\n", count: 300))\n",
        "HTTP/1.1 200 OK\nConnection: content-length\nContent-Length: 1\n\na",
    ])
    func `a malformed response is a bad gateway`(response: String) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in response.replacing("\n", with: "\r\n") }
            try router.route(["f": [upstream]])
            let answer = try await router.get("/fn/f")
            #expect(answer.status == 502 && answer["X-Kiln-Reason"] == "upstream-malformed")
        }
    }

    @Test func `what an instance sends beyond its answer goes to nobody`() async throws {
        // What ends the connection is not that nobody needs it.
        try await withRouter(loops: 1, configure: { $0.timeouts.pooled = .seconds(60) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                while let request = try? socket.receiveRequest(seconds: 60) {
                    server.record(request)
                    if request.target == "/late" {
                        try socket.send(ok("first"))
                        usleep(50_000)
                        try socket.send(ok("poison"))
                    } else {
                        try socket.send(ok("first") + ok("poison"))
                    }
                }
            }
            try router.route(["f": [upstream]])
            for target in ["/fn/f", "/fn/f/late"] {
                let socket = try router.connect()
                for _ in 0..<3 {
                    try await onThread {
                        try socket.send("GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n")
                        #expect(try socket.receiveResponse().text == "first")
                    }
                    try await eventually("the connection is given up") { upstream.open == 0 }
                }
            }
            #expect(upstream.accepted == 6)
        }
    }
}

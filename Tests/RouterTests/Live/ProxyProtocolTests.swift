import Contract
import Support
import Testing

@testable import Router

/// Connections of proxies that speak the PROXY protocol.
@Suite struct ProxyProtocolTests {
    private func withProxies(
        trusting range: String, _ body: @Sendable (TestRouter) async throws -> Void
    ) async throws {
        let trusted = try #require(IPv4Range(range))
        try await withRouter(
            loops: 1,
            configure: {
                $0.trustedProxies = [trusted]
                $0.proxyProtocol = true
                $0.timeouts.head = .milliseconds(500)
            }
        ) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { ok($0["X-Forwarded-For"] ?? "none") }
            try router.route(["f": [upstream]])
            try await body(router)
        }
    }

    private static let get = "GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n"

    @Test func `a trusted proxy says whose connection it is, however its bytes arrive`() async throws {
        try await withProxies(trusting: "127.0.0.0/8") { router in
            try await onThread { [port = router.port] in
                for piece in [1, 7, 1_000] {
                    let socket = try RawSocket.connect(port)
                    let bytes = Array(("PROXY TCP4 192.0.2.7 127.0.0.1 999 80\r\n" + Self.get).utf8)
                    for start in stride(from: 0, to: bytes.count, by: piece) {
                        try socket.send(String(decoding: bytes[start..<min(start + piece, bytes.count)], as: UTF8.self))
                    }
                    #expect(try socket.receiveResponse().text == "192.0.2.7")
                    // The next request of the connection begins without one.
                    try socket.send(Self.get)
                    #expect(try socket.receiveResponse().text == "192.0.2.7")
                }
            }
        }
    }

    @Test func `what a client that is no proxy claims is not believed, as without the protocol`() async throws {
        try await withProxies(trusting: "127.0.0.0/8") { router in
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send(
                    "PROXY TCP4 192.0.2.7 127.0.0.1 999 80\r\nGET /fn/f HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n"
                )
                #expect(try socket.receiveResponse().text == "192.0.2.7")
            }
        }
    }

    @Test(arguments: [get, "PROXY TCP4 nonsense\r\n" + get])
    func `a trusted proxy that does not speak it is told so`(text: String) async throws {
        try await withProxies(trusting: "127.0.0.0/8") { router in
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send(text)
                let answer = try socket.receiveResponse()
                #expect(answer.status == 400 && answer["X-Kiln-Reason"] == "no-proxy-header")
                #expect(answer["Connection"] == "close")
            }
        }
    }

    @Test func `a proxy that says nothing is not waited for for ever`() async throws {
        try await withProxies(trusting: "127.0.0.0/8") { router in
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("PROXY TCP4 192.0")
                #expect(throws: (any Error).self) { try socket.receiveResponse(seconds: 5) }
            }
        }
    }

    @Test func `others speak HTTP from the first byte, and no header of theirs counts`() async throws {
        try await withProxies(trusting: "192.0.2.0/24") { router in
            #expect(try await router.get("/fn/f").text == "127.0.0.1")
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("PROXY TCP4 192.0.2.7 127.0.0.1 999 80\r\n" + Self.get)
                #expect(try socket.receiveResponse()["X-Kiln-Reason"] == "malformed-request")
            }
        }
    }

    @Test func `curl plays the proxy`() async throws {
        try await withProxies(trusting: "127.0.0.0/8") { router in
            let result = try await command(
                "curl", ["--silent", "--haproxy-protocol", "http://127.0.0.1:\(router.port)/fn/f"])
            #expect(result.output == "127.0.0.1")
        }
    }

    @Test func `without a trusted proxy it makes no sense`() {
        var configuration = RouterConfiguration(listen: .inherited(descriptor: -1))
        configuration.proxyProtocol = true
        #expect(throws: RouterError.self) { try configuration.validate() }
    }
}

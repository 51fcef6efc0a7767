import Contract
import Foundation
import Support
import Testing

@testable import Router

/// How connections with TLS begin; OpenSSL is the client.
@Suite struct HandshakeTests {
    private static let failures = "kiln_router_tls_handshake_failures_total"

    @Test(arguments: [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")], ["ec", "rsa"])
    func `TLS 1.2 and 1.3 are spoken, and the protocol is agreed on`(version: (String, String), type: String)
        async throws
    {
        try await withTLSRouter(type: type) { router, _ in
            let shown = try await router.client(version.0, "-alpn", "spdy/3,http/1.1")
            #expect(shown.output.contains(version.1) && shown.output.contains("ALPN protocol: http/1.1"))
            try await router.expect("kiln_router_tls_handshakes_total", nil, 1)
        }
    }

    @Test(arguments: [
        ["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], ["-tls1", "-cipher", "DEFAULT@SECLEVEL=0"],
        ["-tls1_2", "-cipher", "AES128-GCM-SHA256"], ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA"],
        ["-tls1_2", "-cipher", "DHE-RSA-AES128-GCM-SHA256"],
    ])
    func `older versions and weaker ciphers are not spoken`(arguments: [String]) async throws {
        try await withTLSRouter(type: "rsa") { router, _ in
            let shown = try await command(
                "openssl", ["s_client", "-connect", "127.0.0.1:\(router.port)"] + arguments)
            #expect(!shown.succeeded)
            try await router.expect(Self.failures, "no-agreement", 1)
        }
    }

    @Test func `HTTP without TLS is told to use it`() async throws {
        try await withTLSRouter { router, _ in
            for request in ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
                try await onThread { [port = router.port] in
                    let socket = try RawSocket.connect(port)
                    try socket.send(request)
                    let answer = try socket.receiveResponse()
                    #expect(answer.status == 400 && answer["X-Kiln-Reason"] == "tls-required")
                    #expect(answer["Connection"] == "close" && answer.text.contains("https://"))
                    #expect(try socket.receiveAll() == "")
                }
            }
            try await router.expect(Self.failures, "plain-http", 2)
            try await router.expect("kiln_router_connections", nil, 0)
        }
    }

    @Test func `what is neither is closed`() async throws {
        try await withTLSRouter { router, _ in
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send([0x80, 0x2E, 1, 0, 2])
                #expect(try socket.receiveAll() == "")
                let other = try RawSocket.connect(port)
                try other.send([22, 3, 1, 0, 5, 1, 2, 3, 4, 5])
                _ = try? other.receiveAll()
            }
            try await router.expect(Self.failures, "malformed", 1)
            try await router.expect("kiln_router_connections", nil, 0)
        }
    }

    /// `--tls-handshake-timeout`
    @Test(arguments: [[], [22, 3, 1, 0, 200, 1, 0, 0]] as [[UInt8]])
    func `a handshake has its time`(bytes: [UInt8]) async throws {
        try await withTLSRouter(configure: { $0.timeouts.handshake = .milliseconds(200) }) { router, _ in
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                if !bytes.isEmpty { try socket.send(bytes) }
                let began = Date()
                #expect(try socket.receiveAll() == "")
                #expect((0.1..<2).contains(Date().timeIntervalSince(began)))
            }
            try await router.expect(Self.failures, "timeout", 1)
        }
    }

    @Test func `a client that leaves or does not trust the certificate is counted`() async throws {
        try await withTLSRouter { router, _ in
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send([22, 3, 1, 0, 200, 1, 0, 0])
                socket.close()
            }
            try await router.expect(Self.failures, "closed", 1)
            for version in ["1.2", "1.3"] {
                let refused = try await command(
                    "curl", ["--silent", "--tls-max", version, "https://127.0.0.1:\(router.port)/"])
                #expect(!refused.succeeded)
            }
            try await router.expect(Self.failures, "refused", 2)
        }
    }

    @Test func `connections that shake hands count for the limit`() async throws {
        try await withTLSRouter(loops: 1, configure: { $0.limits.connections = 2 }) { router, certificate in
            let first = try router.connect()
            let second = try router.connect()
            try await router.expect("kiln_router_connections", nil, 2)
            #expect(try await !router.curl(certificate, "/healthz").succeeded)
            first.close()
            second.close()
            try await router.expect("kiln_router_connections", nil, 0)
            #expect(try await router.curl(certificate, "/healthz").output == "ok\n")
        }
    }

    @Test func `the PROXY protocol comes before TLS`() async throws {
        let range = try #require(IPv4Range("127.0.0.0/8"))
        try await withTLSRouter(configure: {
            $0.trustedProxies = [range]
            $0.proxyProtocol = true
        }) { router, certificate in
            let upstream = try TestUpstream("a", path: router.path("a")) {
                ok("\($0["X-Forwarded-For"] ?? "") \($0["X-Forwarded-Proto"] ?? "")")
            }
            try router.route(["f": [upstream]])
            #expect(try await router.curl(certificate, "/fn/f", "--haproxy-protocol").output == "127.0.0.1 https")
            #expect(try await !router.curl(certificate, "/fn/f").succeeded)
            try await router.expect(Self.failures, "no-proxy-header", 1)
        }
    }

    @Test func `a drain ends what has not got through its handshake`() async throws {
        try await withTLSRouter { router, _ in
            let socket = try router.connect()
            try await router.expect("kiln_router_connections", nil, 1)
            let elapsed = await ContinuousClock().measure {
                await router.server.drain(DrainPlan(grace: .milliseconds(200), tunnelGrace: .milliseconds(200)))
            }
            #expect(elapsed < .seconds(2))
            #expect(try await onThread { try socket.receiveAll() } == "")
        }
    }
}

import Contract
import Foundation
import Support
import Testing

@testable import Router

/// Requests over HTTP/2; curl is the client, on nghttp2.
@Suite struct HTTP2Tests {
    private static let prior = "--http2-prior-knowledge"

    private func curl(_ router: TestRouter, _ path: String, _ arguments: [String], input: [UInt8] = []) async throws
        -> CommandResult
    {
        try await command(
            "curl",
            ["--silent", "--show-error", "--max-time", "20", Self.prior] + arguments
                + ["http://127.0.0.1:\(router.port)\(path)"], input: input)
    }

    @Test func `a function is called, and sees what it would of HTTP 1`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                let seen = [
                    "Host", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Prefix", "Via", "Cookie",
                    "Connection",
                ]
                return ok(
                    request.line + "\n" + seen.map { "\($0): \(request[$0] ?? "-")" }.joined(separator: "\n"),
                    "X-One: 1\r\n")
            }
            try router.route(["f": [upstream]])
            let result = try await curl(
                router, "/fn/f/a%2Fb?c",
                ["--include", "--header", "Cookie: a=1; b=2", "--header", "X-Kiln-Reason: lie"])
            let text = result.output.replacing("\r\n", with: "\n").replacing("\(router.port)", with: "PORT")
            #expect(text.hasPrefix("HTTP/2 200 \n") && text.contains("\ncontent-length: "), "\(text)\(result.errors)")
            #expect(
                text.contains("\nx-one: 1\n") && text.contains("\nvia: 1.1 kiln\n") && !text.contains("\nconnection:"))
            #expect(
                text.hasSuffix(
                    """
                    GET /a%2Fb?c HTTP/1.1
                    Host: 127.0.0.1:PORT
                    X-Forwarded-Proto: http
                    X-Forwarded-Host: 127.0.0.1:PORT
                    X-Forwarded-Prefix: /fn/f
                    Via: 2.0 kiln
                    Cookie: a=1; b=2
                    Connection: -
                    """), "\(text)")
            try await router.expect("kiln_router_http2_connections_total", nil, 1)
            try await router.expect("kiln_requests_total", "2xx", 1)
            try await router.expect("kiln_router_connections", nil, 0)
        }
    }

    @Test func `TLS agrees on it`() async throws {
        try await withTLSRouter { router, certificate in
            let upstream = try TestUpstream("a", path: router.path("a")) { ok($0["X-Forwarded-Proto"] ?? "") }
            try router.route(["f": [upstream]])
            let result = try await router.curl(certificate, "/fn/f", "--http2", "--write-out", " %{http_version}")
            #expect(result.output == "https 2", "\(result.errors)")
            #expect(
                try await router.curl(certificate, "/fn/f", "--http1.1", "--write-out", " %{http_version}").output
                    == "https 1.1")
        }
    }

    @Test func `bodies pass both ways, with and without a length`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                request["Content-Length"] == nil
                    ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + String(request.body.count, radix: 16) + "\r\n\(request.text)\r\n0\r\n\r\n"
                    : ok(request.text)
            }
            try router.route(["f": [upstream]])
            let body = (0..<(1 << 20)).map { _ in UInt8.random(in: 97...122) }
            for arguments in [[], ["--header", "Content-Length:"]] {
                let result = try await curl(router, "/fn/f", ["--data-binary", "@-"] + arguments, input: body)
                #expect(Array(result.output.utf8) == body, "\(result.errors)")
            }
            #expect(upstream.requests.map(\.chunked) == [false, true])
        }
    }

    @Test(arguments: [
        ("--head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200"),
        ("--get", "HTTP/1.1 204 No\r\n\r\n", "204"), ("--get", "HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", "304"),
        ("--get", "HTTP/1.1 200 OK\r\n\r\nuntil the end", "200"),
        ("--get", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200"),
        ("--get", "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200"),
    ])
    func `answers without a body, and before the answer, are what they are`(
        method: String, answer: String, status: String
    )
        async throws
    {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send(answer)
                socket.endOutput()
            }
            try router.route(["f": [upstream]])
            let result = try await curl(
                router, "/fn/f", [method, "--output", "/dev/null", "--write-out", "%{http_code}"])
            #expect(result.succeeded && result.output == status, "\(result.errors)")
        }
    }

    @Test func `the Router's own answers, and its limits, are the same as ever`() async throws {
        try await withRouter(configure: { $0.limits.functionBody = 10 }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            func answer(_ path: String, _ arguments: String...) async throws -> String {
                let result = try await curl(router, path, ["--include"] + arguments)
                let lines = result.output.split(separator: "\r\n")
                let reason = lines.first { $0.hasPrefix("x-kiln-reason: ") }.map { $0.dropFirst(15) } ?? "-"
                return "\(lines.first?.split(separator: " ").dropFirst().first ?? "none") \(reason)"
            }
            #expect(try await answer("/healthz") == "200 -")
            #expect(try await answer("/fn/nobody") == "404 unknown-function")
            #expect(try await answer("/fn/f", "--data", "more than ten bytes") == "413 body-too-large")
            #expect(
                try await answer("/fn/f", "--data", "more than ten bytes", "--header", "Content-Length:")
                    == "413 body-too-large")
            #expect(try await answer("/fn/f/" + String(repeating: "x", count: 9_000)) == "414 target-too-long")
            // Limits that a client is told of count from when it has acknowledged them.
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(SettingsFrame(flags=['ACK']))
                fields = GET + [('x-%d' % i, 'y' * 340) for i in range(99)]
                block = c.encoder.encode(fields)
                c.send(HeadersFrame(1, block[:16384], flags=['END_STREAM']),
                    ContinuationFrame(1, block[16384:32768]), ContinuationFrame(1, block[32768:], flags=['END_HEADERS']))
                print(c.story(1)[:3])
                """, router)
            #expect(story == "431")
            #expect(try await answer("/fn/f", "--request", "TRACE") == "405 method-not-allowed")
            #expect(try await answer("/fn/f/x/../y", "--path-as-is") == "400 bad-target")
        }
    }

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
    ])
    func `a truncated answer cannot be taken for a whole one`(answer: String) async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send(answer)
                usleep(100_000)
            }
            try router.route(["f": [upstream]])
            let result = try await curl(router, "/fn/f", [])
            #expect(!result.succeeded && result.output == "part", "\(result.errors)")
        }
    }

    @Test func `a drain answers what has begun, tells the client to leave, and ends`() async throws {
        try await withRouter(configure: { $0.timeouts.drainIdle = .milliseconds(200) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                usleep(600_000)
                return ok("whole")
            }
            try router.route(["f": [upstream]])
            async let call = curl(router, "/fn/f", ["--verbose"])
            try await eventually("it runs") { upstream.requests.count == 1 }
            let elapsed = await ContinuousClock().measure {
                await router.server.drain(DrainPlan(grace: .seconds(5), tunnelGrace: .seconds(5)))
            }
            #expect(try await call.output == "whole")
            #expect(elapsed < .seconds(4), "\(elapsed)")
        }
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/h2load")))
    func `h2load's calls all succeed`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("hello") }
            try router.route(["f": [upstream]])
            let result = try await command(
                "h2load", ["-n", "3000", "-c", "10", "-m", "20", "http://127.0.0.1:\(router.port)/fn/f"])
            #expect(result.output.contains("3000 succeeded, 0 failed, 0 errored"), "\(result.output)")
            try await router.expect("kiln_requests_total", "2xx", 3000)
        }
    }
}

import Foundation
import Support
import Testing

@testable import Router

/// What one connection may ask for: `--max-streams`, `--max-stream-window`, and what has no flag.
@Suite struct HTTP2LimitTests {
    private func withFunction(
        configure: @Sendable (inout RouterConfiguration) -> Void = { _ in },
        _ body: @Sendable (TestRouter, TestUpstream) async throws -> Void
    ) async throws {
        try await withRouter(loops: 1, configure: configure) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            try await body(router, upstream)
        }
    }

    @Test(arguments: [
        // A rapid reset.
        "for i in range(300): c.send(c.head(2 * i + 1), RstStreamFrame(2 * i + 1, 8))",
        "c.send(*[PingFrame(0, b'12345678') for _ in range(600)])", "c.send(*[SettingsFrame() for _ in range(600)])",
        "c.send(*[PriorityFrame(1, depends_on=3) for _ in range(600)])",
        // Leave to send, for nothing.
        "c.send(*[WindowUpdateFrame(0, window_increment=1) for _ in range(2100)])",
        "c.send(c.head(1, POST, 'END_HEADERS'), *[WindowUpdateFrame(1, window_increment=1) for _ in range(2100)])",
        // A head without an end.
        """
        c.send(HeadersFrame(1, c.encoder.encode(GET)))
        for i in range(20): c.send(ContinuationFrame(1, Encoder().encode([('x%d' % i, 'y' * 9000)])))
        """,
        "c.send(c.head(1, POST, 'END_HEADERS'), *[DataFrame(1) for _ in range(20)])",
        "for i in range(300): c.send(c.head(2 * i + 1, GET + [('X', 'y')]))",
        // Too long, as it stands and by compression.
        "c.send(HeadersFrame(1, c.encoder.encode(GET)), *[ContinuationFrame(1, c.encoder.encode([('x%d' % i, 'y' * 15000)]), flags=['END_HEADERS'] * (i == 4)) for i in range(5)])",
        "c.send(c.head(1, GET + [('x', 'y' * 4000)] * 1000))",
        // A table that was not agreed on.
        "c.encoder.header_table_size = 1 << 20; c.send(c.head(1))",
        "c.send(*[c.head(2 * i + 1, POST, 'END_HEADERS') for i in range(101)])",
        "c.send(DataFrame(1, b'x'))", "c.send(WindowUpdateFrame(0, window_increment=2**31 - 1))",
        "c.socket.sendall(b'no frame' * 1000)",
    ])
    func `what is too much ends the connection, and says so`(attack: String) async throws {
        try await withFunction { router, _ in
            let story = try await FrameClient.run("c = Client()\n\(attack)\nprint(c.story())", router)
            // With a reason, not because nothing moves.
            #expect(story.hasPrefix("goaway ") && story != "goaway 0", "\(story)")
            try await router.expect("kiln_router_connections", nil, 0)
            try await router.expect("kiln_requests_in_flight", nil, 0)
            // Others notice nothing.
            #expect(
                try await FrameClient.run("c = Client()\nc.send(c.head(1))\nprint(c.story(1))", router)
                    == "200, ok, end")
        }
    }

    @Test(arguments: [
        "('X', 'y')", "('x', 'a\\r\\nb: c')", "('x', 'a\\0b')", "('connection', 'close')",
        "('transfer-encoding', 'chunked')",
        "('te', 'gzip')", "('host', 'other')", "('content-length', '5')", "(':path', '/')", "(':x', '1')",
        "('x', ' y')",
    ])
    func `a malformed request ends alone`(field: String) async throws {
        try await withFunction { router, upstream in
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, GET + [\(field)]))
                print(c.story(1))
                c.send(c.head(3))
                print(c.story(3))
                """, router)
            #expect(story == "reset 1\n200, ok, end")
            #expect(upstream.requests.count == 1)
        }
    }

    @Test(arguments: [
        ("[('content-length', '3')]", "[DataFrame(1, b'four', flags=['END_STREAM'])]"),
        ("[('content-length', '5')]", "[DataFrame(1, b'four', flags=['END_STREAM'])]"),
        ("[]", "[c.head(1, [('x', '1')], 'END_HEADERS')]"), ("[]", "[c.head(1, [(':path', '/')])]"),
    ])
    func `a body is as long as it says, and trailers are its end`(fields: String, frames: String) async throws {
        try await withFunction { router, _ in
            let story = try await FrameClient.run(
                "c = Client()\nc.send(c.head(1, POST + \(fields), 'END_HEADERS'), *\(frames))\nprint(c.story(1))",
                router)
            #expect(story == "reset 1")
        }
    }

    @Test func `a request beyond those at a time is refused, so that it can be sent again`() async throws {
        try await withRouter(loops: 1, configure: { $0.limits.http2.streams = 2 }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                usleep(300_000)
                return ok()
            }
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1), c.head(3), c.head(5))
                print(c.story(5))
                print(c.story(1))
                c.send(c.head(7))
                print(c.story(7))
                """, router)
            #expect(story == "reset 7\n200, ok, end\n200, ok, end")
            #expect(upstream.requests.count == 3)
        }
    }

    @Test func `a WebSocket in HTTP 2 is refused, which sends clients to HTTP 1`() async throws {
        try await withFunction { router, _ in
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, [(':method', 'CONNECT'), (':protocol', 'websocket')] + GET[1:], 'END_HEADERS'))
                print(c.story(1))
                c.send(c.head(3, [(':method', 'CONNECT'), (':authority', 'h:1')], 'END_HEADERS'))
                print(c.story(3)[:4])
                """, router)
            #expect(story == "reset 1\n400,")
        }
    }

    @Test(arguments: ["", "c.send(c.head(1)); c.story(1)"])
    func `an idle connection is closed`(calls: String) async throws {
        try await withFunction(configure: {
            $0.timeouts.head = .milliseconds(300)
            $0.timeouts.idle = .milliseconds(300)
        }) { router, _ in
            let story = try await FrameClient.run(
                "c = Client()\n\(calls)\nbegan = time.time()\nprint(c.story(), time.time() - began < 2)", router)
            #expect(story == "goaway 0 True")
            try await router.expect("kiln_router_connections", nil, 0)
        }
    }

    @Test func `a client that takes nothing keeps the instance from sending, others go on`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                let request = try socket.receiveRequest()
                guard request.target == "/large" else { return try socket.send(ok()) }
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(64 << 20)\r\n\r\n")
                let piece = [UInt8](repeating: 120, count: 1 << 16)
                for _ in 0..<1024 {
                    try socket.send(piece)
                    server.record(request)
                }
            }
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, GET[:2] + [(':path', '/fn/f/large'), (':authority', 'h')]))
                time.sleep(1)
                c.send(WindowUpdateFrame(0, window_increment=100000), c.head(3))
                print(c.story(3))
                """, router)
            #expect(story == "200, ok, end")
            // What fits into the window and the buffers on the way.
            #expect(upstream.requests.count < 32, "\(upstream.requests.count)")
            try await eventually("the instance's connection ends with the client's") { upstream.open == 0 }
        }
    }

    @Test func `a client that gives leave in small pieces for what it is sent gets all of it`() async throws {
        try await withRouter(loops: 1) { router in
            let body = String(repeating: "x", count: 8 << 20)
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok(body) }
            try router.route(["f": [upstream]])
            let told = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1))
                got, leaves = 0, 0
                for f in c.frames():
                    if isinstance(f, (GoAwayFrame, RstStreamFrame)): print(f)
                    if not isinstance(f, DataFrame): continue
                    got += len(f.data)
                    pieces = [len(f.data[i:i + 2048]) for i in range(0, len(f.data), 2048)]
                    c.send(*[WindowUpdateFrame(id, window_increment=size) for size in pieces for id in (0, 1)])
                    leaves += 2 * len(pieces)
                    if 'END_STREAM' in f.flags: break
                print(got, leaves > 8000)
                """, router)
            #expect(told == "\(body.utf8.count) True")
        }
    }

    @Test func `an instance that takes nothing keeps the client from sending`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                server.record(try socket.receiveHead())
                Thread.sleep(forTimeInterval: 3)
            }
            try router.route(["f": [upstream]])
            let sent = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, POST, 'END_HEADERS'))
                c.socket.settimeout(1)
                window, sent = 65535, 0
                source = c.frames()
                while window > 0 and sent < 64 << 20:
                    size = min(window, 16384)
                    c.send(DataFrame(1, b'x' * size))
                    window, sent = window - size, sent + size
                    if window < 16384:
                        for f in source:
                            if isinstance(f, WindowUpdateFrame) and f.stream_id == 1:
                                window += f.window_increment
                                break
                        else: break
                print(sent)
                """, router)
            let count = try #require(Int(sent), "\(sent)")
            #expect((65_535..<4 << 20).contains(count), "\(count)")
        }
    }

    @Test func `a client that gives its request up ends it at the instance`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                server.record(try socket.receiveRequest())
                _ = try? socket.receiveSome(seconds: 5)
            }
            try router.route(["f": [upstream]])
            _ = try await FrameClient.run(
                "c = Client()\nc.send(c.head(1))\ntime.sleep(0.5)\nc.send(RstStreamFrame(1, 8))\ntime.sleep(0.5)",
                router)
            #expect(upstream.requests.count == 1)
            try await eventually("the instance's connection ends", seconds: 2) { upstream.open == 0 }
            try await router.expect("kiln_requests_total", "none", 1)
        }
    }
}

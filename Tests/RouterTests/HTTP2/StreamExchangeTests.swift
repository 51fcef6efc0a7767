import Foundation
import Support
import Testing

@testable import Router

/// The course of requests over HTTP/2, frame by frame.
@Suite struct StreamExchangeTests {
    @Test func `a call as gRPC makes it has its trailers, both ways`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                let request = try socket.receiveRequest()
                server.record(request)
                let trailers = request.trailers.map { "\($0.name)=\($0.value)" }.joined()
                try socket.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTrailer: grpc-status\r\nTransfer-Encoding: chunked\r\n\r\n"
                        + "5\r\nreply\r\n0\r\ngrpc-status: 0\r\nx-seen: \(request["TE"] ?? "-")/\(trailers)\r\n\r\n")
            }
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, POST + [('te', 'trailers'), ('content-type', 'application/grpc')], 'END_HEADERS'),
                    DataFrame(1, b'hello'), c.head(1, [('x-late', '1')]))
                print(c.story(1))
                """, router)
            #expect(story == "200, reply, trailers grpc-status=0 x-seen=trailers/x-late=1, end")
            #expect(upstream.requests.first?.text == "hello")
        }
    }

    @Test func `each piece arrives when it is sent, in both directions`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream(path: router.path("a"), pieces: 10)
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.socket.settimeout(3)
                c.send(c.head(1, POST, 'END_HEADERS'))
                seen = ''
                for f in c.frames():
                    if not isinstance(f, DataFrame): continue
                    seen += f.data.decode().replace('data: ', '').strip()
                    if 'END_STREAM' in f.flags: break
                    if f.data: c.send(DataFrame(1, b'seen'))
                print(seen)
                """, router)
            #expect(story == "0123456789")
        }
    }

    @Test func `an early answer is whole, and the rest of the request is not wanted`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveHead()
                try socket.send(ok("early"))
                _ = try? socket.receiveSome(seconds: 2)
            }
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, POST, 'END_HEADERS'), DataFrame(1, b'some'))
                print(c.story(1))
                print(c.story(1))
                c.send(c.head(3))
                print(c.story(3))
                """, router)
            #expect(story == "200, early, end\nreset 0\n200, early, end")
        }
    }

    @Test func `who is refused in the middle of a short body may end it, and is not reset`() async throws {
        try await withRouter(configure: { $0.limits.functionBody = 10 }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, POST + [('content-length', '19')], 'END_HEADERS'))
                answer = c.story(1).split(', ')
                print(answer[0], answer[-1])
                c.socket.settimeout(0.3)
                print(c.story(1) or 'nothing more')
                c.socket.settimeout(10)
                c.send(DataFrame(1, b'more than ten bytes', flags=['END_STREAM']), c.head(3))
                print(c.story(3))
                """, router)
            #expect(story == "413 end\nnothing more\n200, ok, end")
        }
    }

    @Test func `who waits for 100 gets what the function says`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                let head = try socket.receiveHead()
                if head["Expect"] != nil { try socket.send("HTTP/1.1 100 Continue\r\n\r\n") }
                _ = try socket.receive(through: "body", seconds: 5)
                try socket.send(ok("done"))
            }
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, POST + [('expect', '100-continue'), ('content-length', '4')], 'END_HEADERS'))
                for f in c.frames():
                    if isinstance(f, HeadersFrame): print(dict(c.decoder.decode(f.data))[':status']); break
                c.send(DataFrame(1, b'body', flags=['END_STREAM']))
                print(c.story(1))
                """, router)
            #expect(story == "100\n200, done, end")
        }
    }

    @Test func `requests of one connection do not wait for each other`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                if request.target == "/slow" { usleep(800_000) }
                return ok(request.target)
            }
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, GET[:2] + [(':path', '/fn/f/slow'), (':authority', 'h')]), c.head(3))
                began = time.time()
                print(c.story(3), time.time() - began < 0.5)
                print(c.story(1))
                """, router)
            #expect(story == "200, /, end True\n200, /slow, end")
        }
    }

    @Test func `a drain takes what was on its way, and no request is lost`() async throws {
        try await withRouter(configure: { $0.timeouts.drainIdle = .milliseconds(300) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                usleep(500_000)
                return ok(request.target)
            }
            try router.route(["f": [upstream]])
            async let story = FrameClient.run(
                """
                c = Client()
                c.send(c.head(1))
                last = []
                for f in c.frames():
                    if not isinstance(f, GoAwayFrame): continue
                    last.append(f.last_stream_id)
                    if len(last) == 1: c.send(c.head(3))
                    if len(last) == 2: c.send(c.head(5)); break
                print(last[0] > 2**30, last[1])
                print(c.story(3))
                """, router)
            try await eventually("it runs") { upstream.requests.count == 1 }
            await router.server.drain(DrainPlan(grace: .seconds(5), tunnelGrace: .seconds(5)))
            #expect(try await story == "True 3\n200, /, end")
            #expect(upstream.requests.count == 2)
        }
    }

    @Test func `bytes that are no UTF-8 are not changed on the way, but refused`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send(
                    Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ".utf8) + [0xE9] + Array("\r\n\r\n".utf8))
            }
            try router.route(["f": [upstream]])
            let story = try await FrameClient.run(
                """
                c = Client()
                c.send(c.head(1, GET + [(b'x', b'caf\\xe9')]))
                print(c.story(1))
                c.send(c.head(3))
                print(c.story(3))
                """, router)
            #expect(story == "reset 1\nreset 2")
        }
    }
}

import Contract
import Foundation
import Synchronization
import Testing

@testable import Router

/// Instances that break, and what a client gets to see of it.
@Suite struct FailureTests {
    // MARK: Retry

    @Test(arguments: [
        ("GET", "", 200, 2), ("HEAD", "", 200, 2), ("DELETE", "", 200, 2), ("PUT", "", 200, 2), ("OPTIONS", "", 200, 2),
        ("POST", "", 502, 1), ("PATCH", "", 502, 1), ("POST", "abc", 502, 1), ("PUT", "abc", 502, 1),
    ])
    func `over a connection that had been idle, only what can be repeated is sent twice`(
        method: String, body: String, status: Int, sent: Int
    ) async throws {
        try await withRouter(loops: 1) { router in
            // Answers the first request of its first connection, and closes without a word upon the second.
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                let first = server.accepted == 1
                while let request = try? socket.receiveRequest(seconds: 60) {
                    server.record(request)
                    if first, server.requests.count > 1 { return socket.close() }
                    try socket.send(request.method == "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" : ok())
                }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try socket.receiveResponse().status == 200)
                let length = body.isEmpty ? "" : "Content-Length: \(body.utf8.count)\r\n"
                try socket.send("\(method) /fn/f HTTP/1.1\r\nHost: h\r\n\(length)\r\n\(body)")
                let answer = try socket.receiveResponse(to: method)
                #expect(answer.status == status)
                if status == 502 { #expect(answer["X-Kiln-Reason"] == "upstream-closed") }
            }
            #expect(upstream.requests.filter { $0.method == method }.count == (method == "GET" ? sent + 1 : sent))
        }
    }

    @Test(arguments: [("GET", "", 200), ("PUT", "", 200), ("POST", "", 502), ("PUT", "abc", 502)])
    func `what an instance takes with it when it ends is sent to another, if it can be repeated`(
        method: String, body: String, status: Int
    ) async throws {
        try await withRouter(loops: 1) { router in
            let alive = try TestUpstream("alive", path: router.path("alive")) { _ in ok("alive") }
            // Each of its connections ends with its first request, as those of a process that is killed.
            let ending = try TestUpstream("ending", path: router.path("ending")) { socket, server in
                server.record(try socket.receiveRequest(seconds: 60))
                socket.close()
            }
            try router.route(["f": [alive, ending]])
            let length = body.isEmpty ? "" : "Content-Length: \(body.utf8.count)\n"
            var seen = 0
            for _ in 0..<60 {
                let answer = try await router.call("\(method) /fn/f HTTP/1.1\nHost: h\n\(length)\n\(body)")
                let met = ending.requests.count - seen
                seen += met
                #expect(met <= 1)
                #expect(answer.status == (met == 0 ? 200 : status))
            }
            #expect(seen > 0)
        }
    }

    @Test func `a request that ends every instance is sent to two`() async throws {
        try await withRouter(loops: 1) { router in
            let upstreams = try ["a", "b", "c"].map { name in
                try TestUpstream(name, path: router.path(name)) { socket, server in
                    server.record(try socket.receiveRequest(seconds: 60))
                    socket.close()
                }
            }
            try router.route(["f": upstreams])
            let answer = try await router.get("/fn/f")
            #expect(answer.status == 502 && answer["X-Kiln-Reason"] == "upstream-closed")
            #expect(upstreams.map(\.requests.count).reduce(0, +) == 2)
        }
    }

    @Test(arguments: ["GET", "POST"])
    func `over a fresh connection nothing is sent to the same instance twice`(method: String) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                server.record(try socket.receiveRequest(seconds: 60))
                socket.close()
            }
            try router.route(["f": [upstream]])
            let answer = try await router.call("\(method) /fn/f HTTP/1.1\nHost: h\n\n")
            #expect(answer.status == 502 && answer["X-Kiln-Reason"] == "upstream-closed")
            #expect(upstream.requests.count == 1)
        }
    }

    /// A server whose second answer is `part`, behind which it closes.
    private static func upstream(_ router: TestRouter, breakingOffAfter part: String) throws -> TestUpstream {
        try TestUpstream("a", path: router.path("a")) { socket, server in
            while let request = try? socket.receiveRequest(seconds: 60) {
                server.record(request)
                let breaksOff = server.requests.count == 2
                try socket.send(breaksOff ? part : ok())
                if breaksOff { return socket.close() }
            }
        }
    }

    @Test func `nothing is sent twice once a byte of an answer has come`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try Self.upstream(router, breakingOffAfter: "HTTP/1.1 103 Early Hints\r\n\r\n")
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try socket.receiveResponse().status == 200)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try socket.receiveResponse().status == 103)
                #expect(try socket.receiveResponse().status == 502)
            }
            #expect(upstream.requests.count == 2)
        }
    }

    @Test(arguments: ["H", "HTTP/1.1 2", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"])
    func `nothing is sent twice once a part of a head has come`(part: String) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try Self.upstream(router, breakingOffAfter: part)
            try router.route(["f": [upstream]])
            _ = try await router.get("/fn/f")
            let answer = try await router.get("/fn/f")
            #expect(answer.status == 502 && answer["X-Kiln-Reason"] == "upstream-closed")
            #expect(upstream.requests.count == 2)
        }
    }

    @Test func `a POST goes to another instance when the first one can't be dialled`() async throws {
        try await withRouter(loops: 1) { router in
            let alive = try TestUpstream("alive", path: router.path("alive")) { _ in ok("alive") }
            let dead = Endpoint(id: "dead", address: .unix(path: router.path("dead")))
            let refusing = Endpoint(id: "refusing", address: .tcp(host: "127.0.0.1", port: 1))
            try router.route(endpoints: ["f": [dead, alive.endpoint, refusing]])
            for _ in 0..<20 {
                let answer = try await router.call("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 2\n\nab")
                #expect(answer.text == "alive")
            }
            #expect(alive.requests.count == 20)
        }
    }

    @Test func `an instance that isn't there yet is dialled until it is`() async throws {
        try await withRouter(loops: 1) { router in
            let path = router.path("late")
            try router.route(endpoints: ["f": [Endpoint(id: "late", address: .unix(path: path))]])
            async let answers = withThrowingTaskGroup(of: RawMessage.self) { group in
                for _ in 0..<50 {
                    group.addTask { try await router.call("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 2\n\nab") }
                }
                return try await group.reduce(into: []) { $0.append($1.text) }
            }
            try await Task.sleep(for: .milliseconds(600))
            let upstream = try TestUpstream("late", path: path) { _ in ok("at last") }
            #expect(try await answers == [String](repeating: "at last", count: 50))
            #expect(upstream.requests.count == 50)
        }
    }

    @Test func `an instance that is never there is a bad gateway after a while`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.hold = .milliseconds(300) }) { router in
            try router.route(endpoints: ["f": [Endpoint(id: "x", address: .unix(path: router.path("none")))]])
            let clock = ContinuousClock()
            let elapsed = try await clock.measure {
                let answer = try await router.get("/fn/f")
                #expect(answer.status == 502 && answer["X-Kiln-Reason"] == "connect-failed")
            }
            #expect(elapsed > .milliseconds(250) && elapsed < .seconds(2))
        }
    }

    @Test func `an address that can't be one is a bad gateway too`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.hold = .milliseconds(100) }) { router in
            let long = "/" + String(repeating: "x", count: 200)
            try router.route(endpoints: ["f": [Endpoint(id: "x", address: .unix(path: long))]])
            #expect(try await router.get("/fn/f").status == 502)
        }
    }

    // MARK: Broken responses

    @Test(arguments: [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\npart",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzz",
    ])
    func `a response that breaks off never looks complete`(response: String) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send(response)
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                let all = try socket.receiveAll()
                #expect(all.contains("part") && !all.contains("\r\n0\r\n"))
                // For HTTP/1.0 a plain end would mean a whole response: there has to be a reset.
                let old = try RawSocket.connect(port)
                try old.send("GET /fn/f HTTP/1.0\r\n\r\n")
                if response.contains("chunked") {
                    #expect(throws: RawSocket.Failure.self) { try old.receiveAll() }
                } else {
                    #expect(try old.receiveAll().contains("Content-Length: 100"))
                }
            }
        }
    }

    @Test func `an instance killed in the middle of answers breaks off its clients only`() async throws {
        try await withRouter { router in
            let dying = try TestUpstream("dying", path: router.path("dying")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send(
                    "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n\(String(repeating: "x", count: 1000))")
                _ = try? socket.receiveSome(seconds: 60)
            }
            let healthy = try TestUpstream("healthy", path: router.path("healthy")) { _ in ok() }
            try router.route(["dying": [dying], "healthy": [healthy]])
            try await onThread { [port = router.port] in
                let sockets = try (0..<10).map { _ in try RawSocket.connect(port) }
                for socket in sockets { try socket.send("GET /fn/dying HTTP/1.1\r\nHost: h\r\n\r\n") }
                for socket in sockets { _ = try socket.receiveHead() }
                dying.stop()
                for socket in sockets { #expect(((try? socket.receiveAll()) ?? "").utf8.count <= 1000) }
            }
            #expect(try await router.get("/fn/healthy").status == 200)
            try router.route(["healthy": [healthy]])
            try await eventually("nothing is busy") { router.status?.version.number == 2 && router.status?.busy == [] }
        }
    }

    // MARK: Early responses and clients that leave

    @Test(arguments: [true, false])
    func `an early answer reaches the client, and the upload stops`(closes: Bool) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                server.record(try socket.receiveHead())
                try socket.send("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
                if !closes { _ = try? socket.receiveSome(seconds: 1) }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                for small in [true, false] {
                    let socket = try RawSocket.connect(port)
                    let size = small ? 1000 : 100_000_000
                    try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: \(size)\r\n\r\n")
                    if !small { Thread { try? socket.send([UInt8](repeating: 120, count: size)) }.start() }
                    let answer = try socket.receiveResponse()
                    #expect(answer.status == 403 && answer.text == "no")
                    guard small else { continue }
                    // A small rest is thrown away, and the connection goes on.
                    try socket.send([UInt8](repeating: 120, count: size))
                    try socket.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
                    #expect(try socket.receiveResponse().text == "ok\n")
                }
            }
        }
    }

    @Test func `who goes on sending after an early answer is cut off, and the instance gets none of it`() async throws {
        try await withRouter(loops: 1) { router in
            let late = Mutex<Int?>(nil)
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveHead()
                try socket.send("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
                var count = 0
                while let some = try? socket.receiveSome(seconds: 10), !some.isEmpty { count += some.count }
                late.withLock { $0 = count }
            }
            try router.route(["f": [upstream]])
            let sent = try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000\r\n\r\n")
                let answer = try socket.receiveResponse()
                #expect(answer.status == 403 && answer.text == "no")
                let block = [UInt8](repeating: 120, count: 1 << 20)
                var sent = 0
                while sent < 512, (try? socket.send(block)) != nil { sent += 1 }
                return sent
            }
            // What is thrown away, and what the buffers of both sockets hold.
            #expect(sent < 64, "\(sent) MiB")
            try await eventually("the instance's connection ends", { late.withLock { $0 != nil } })
            #expect(late.withLock { $0 } == 0)
        }
    }

    @Test func `a client that dies takes its request along`() async throws {
        try await withRouter(loops: 1) { router in
            let gone = Mutex(0)
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                server.record(try socket.receiveRequest())
                // Nothing more comes: this is the end of the connection.
                let rest = try socket.receiveSome(seconds: 30)
                if rest.isEmpty { gone.withLock { $0 += 1 } }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                while upstream.requests.isEmpty { usleep(1000) }
                socket.reset()
            }
            try await eventually("the request is cancelled") { gone.withLock { $0 } == 1 }
        }
    }

    @Test func `a client that closes is found out by a probe`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.probe = .milliseconds(50) }) { router in
            let gone = Mutex(0)
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                server.record(try socket.receiveRequest())
                let rest = try socket.receiveSome(seconds: 30)
                if rest.isEmpty { gone.withLock { $0 += 1 } }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\na")
                while upstream.requests.isEmpty { usleep(1000) }
                socket.close()
            }
            try await eventually("the request is cancelled") { gone.withLock { $0 } == 1 }
        }
    }

    @Test(arguments: [50, 5000])
    func `half a close is no abort`(probe: Int) async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.probe = .milliseconds(probe) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                usleep(300_000)
                return ok(request.text)
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")
                socket.endOutput()
                var answer = try socket.receiveResponse()
                if probe == 50 {
                    #expect(answer.status == 100)
                    answer = try socket.receiveResponse()
                }
                #expect(answer.status == 200 && answer.text == "abc")
                #expect(try socket.receiveAll() == "")
            }
        }
    }

    @Test func `a body that breaks off is never passed on as a whole one`() async throws {
        try await withRouter(loops: 1) { router in
            let seen = Mutex("")
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                let all = try? socket.receiveAll()
                seen.withLock { $0 = all ?? "reset" }
            }
            try router.route(["f": [upstream]])
            for end in [true, false] {
                seen.withLock { $0 = "" }
                try await onThread { [port = router.port] in
                    let socket = try RawSocket.connect(port)
                    try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
                    usleep(50_000)
                    if end { socket.endOutput() } else { socket.reset() }
                    usleep(50_000)
                }
                try await eventually("the instance sees the end") { seen.withLock { !$0.isEmpty } }
                #expect(seen.withLock { !$0.contains("\r\n0\r\n") })
            }
        }
    }

    @Test func `a body over the limit is refused before it is read`() async throws {
        try await withRouter(loops: 1, configure: { $0.limits.functionBody = 1000 }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let answer = try await router.call("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 1001\n\n")
            #expect(answer.status == 413 && upstream.accepted == 0)
            let chunks = String(repeating: "64\n\(String(repeating: "x", count: 100))\n", count: 11)
            let chunked = try await router.call(
                "POST /fn/f HTTP/1.1\nHost: h\nTransfer-Encoding: chunked\n\n\(chunks)0\n\n")
            #expect(chunked.status == 413 && upstream.requests.isEmpty)
            #expect(try await router.call("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc").status == 200)
        }
    }
}

import Contract
import Foundation
import Testing

@testable import Router

/// What takes too long, on either side.
@Suite struct TimeoutTests {

    @Test func `a head that trickles in is ended, a connection that says nothing closed`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.head = .milliseconds(300) }) { router in
            try await onThread { [port = router.port] in
                let silent = try RawSocket.connect(port)
                let socket = try RawSocket.connect(port)
                let start = Date()
                try socket.send("GET / HT")
                for _ in 0..<4 {
                    usleep(50_000)
                    try socket.send("T")
                }
                let answer = try socket.receiveResponse()
                #expect(answer.status == 408 && answer["X-Kiln-Reason"] == "head-timeout")
                #expect(try socket.receiveAll() == "")
                #expect(try silent.receiveAll() == "")
                #expect(Date().timeIntervalSince(start) < 2)
            }
        }
    }

    @Test(arguments: [false, true])
    func `a head has its time as a whole, of the first request and of those that follow`(follows: Bool) async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.head = .milliseconds(300) }) { router in
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                if follows {
                    try socket.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
                    #expect(try socket.receiveResponse().status == 200)
                }
                let start = Date()
                try socket.send("GET /healthz HTTP/1.1\r\nX: ")
                let trickle = Thread { while (try? socket.send("y")) != nil { usleep(50_000) } }
                trickle.start()
                let answer = try socket.receiveResponse()
                #expect(answer.status == 408 && answer["X-Kiln-Reason"] == "head-timeout")
                #expect((0.25..<2).contains(Date().timeIntervalSince(start)))
                socket.endOutput()
                while !trickle.isFinished { usleep(1_000) }
            }
        }
    }

    @Test func `an idle connection is closed without a word`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.idle = .milliseconds(200) }) { router in
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try socket.receiveResponse().status == 200)
                let start = Date()
                #expect(try socket.receiveAll() == "")
                #expect((0.1..<1.5).contains(Date().timeIntervalSince(start)))
            }
        }
    }

    @Test func `a body that stands still or crawls is ended`() async throws {
        try await withRouter(
            loops: 1,
            configure: {
                $0.timeouts.body = .milliseconds(300); $0.limits.minimumBodyRate = 1000
            }
        ) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok("\(request.body.count)") }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                for rate in [0, 10] {
                    let socket = try RawSocket.connect(port)
                    try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
                    // It goes on until there is an answer: what crawls never stands still.
                    let crawl = Thread {
                        while rate > 0, (try? socket.send([UInt8](repeating: 1, count: rate))) != nil { usleep(50_000) }
                    }
                    crawl.start()
                    let answer = try socket.receiveResponse()
                    #expect(answer.status == 408 && answer["X-Kiln-Reason"] == "body-timeout")
                    socket.endOutput()
                    while !crawl.isFinished { usleep(1_000) }
                }
                let steady = try RawSocket.connect(port)
                try steady.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 3000\r\n\r\n")
                for _ in 0..<15 {
                    usleep(50_000)
                    try steady.send([UInt8](repeating: 1, count: 200))
                }
                #expect(try steady.receiveResponse().text == "3000")
            }
            #expect(upstream.requests.count == 1)
        }
    }

    @Test func `a function that doesn't answer in its time is a gateway timeout`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                _ = try? socket.receiveSome(seconds: 5)
            }
            try router.route(["f": [upstream]], timeout: .milliseconds(300))
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                for _ in 0..<2 {
                    let start = Date()
                    try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                    let answer = try socket.receiveResponse()
                    #expect(answer.status == 504 && answer["X-Kiln-Reason"] == "response-timeout")
                    #expect((0.25..<2).contains(Date().timeIntervalSince(start)))
                }
            }
            try await eventually("its connections are closed") { upstream.open == 0 }
        }
    }

    @Test func `an upload may take longer than the function's timeout as long as it moves`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok("\(request.body.count)") }
            try router.route(["f": [upstream]], timeout: .milliseconds(200))
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n")
                for _ in 0..<6 {
                    usleep(100_000)
                    try socket.send("x")
                }
                #expect(try socket.receiveResponse().text == "6")
            }
        }
    }

    @Test func `a response may take longer as long as it moves, and not if it doesn't`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.stream = .milliseconds(400) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
                for _ in 0..<6 {
                    usleep(200_000)
                    try socket.send("x")
                }
                _ = try? socket.receiveSome(seconds: 5)
            }
            try router.route(["f": [upstream]], timeout: .milliseconds(100))
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try socket.receiveAll().hasSuffix("xxxxxx"))
            }
        }
    }

    @Test func `a client that takes nothing of its response loses it`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.stream = .milliseconds(300) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while true { try socket.send([UInt8](repeating: 1, count: 1 << 20)) }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                _ = try socket.receiveHead()
                let start = Date()
                while upstream.open > 0, Date().timeIntervalSince(start) < 5 { usleep(10_000) }
                #expect(Date().timeIntervalSince(start) < 4)
            }
        }
    }

    @Test func `too many connections are turned away`() async throws {
        try await withRouter(loops: 1, configure: { $0.limits.connections = 5 }) { router in
            try await onThread { [port = router.port] in
                let sockets = try (0..<5).map { _ in try RawSocket.connect(port) }
                for socket in sockets {
                    try socket.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
                    #expect(try socket.receiveResponse().status == 200)
                }
                let answer = try RawSocket.connect(port).receiveResponse()
                #expect(answer.status == 503 && answer["X-Kiln-Reason"] == "too-many-connections")
                sockets[0].close()
                usleep(50_000)
                let again = try RawSocket.connect(port)
                try again.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try again.receiveResponse().status == 200)
            }
        }
    }

    // MARK: 100-continue

    @Test func `an expectation is the function's to answer`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                while let head = try? socket.receiveHead(seconds: 60) {
                    #expect(head["Expect"] == "100-continue")
                    if head.target == "/no" {
                        try socket.send("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
                        continue
                    }
                    try socket.send("HTTP/1.1 100 Continue\r\n\r\n")
                    try socket.send(ok(String(decoding: try socket.receive(3), as: UTF8.self)))
                }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                for _ in 0..<2 {
                    try socket.send(
                        "POST /fn/f HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
                    #expect(try socket.receiveResponse().status == 100)
                    try socket.send("abc")
                    #expect(try socket.receiveResponse().text == "abc")
                }
                try socket.send(
                    "POST /fn/f/no HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
                let refusal = try socket.receiveResponse()
                #expect(refusal.status == 403 && refusal["Connection"] == "close")
            }
        }
    }

    @Test func `early hints pass, unasked 100 does not`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok()
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                let hint = try socket.receiveResponse()
                #expect(hint.status == 103 && hint["Link"] == "</x>")
                #expect(try socket.receiveResponse().status == 200)
                let old = try RawSocket.connect(port)
                try old.send("GET /fn/f HTTP/1.0\r\n\r\n")
                #expect(try old.receiveResponse().status == 200)
            }
        }
    }
}

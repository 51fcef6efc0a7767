import Contract
import Synchronization
import Testing

@testable import Router

/// Requests and responses of every shape, through the Router to a real server and back.
@Suite struct ForwardingTests {
    @Test func `a request goes to its function and comes back`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                ok("\(request.line)|\(request.text)")
            }
            try router.route(["hello": [upstream]])
            let answer = try await router.call(
                "POST /fn/hello/x%2Fy?z HTTP/1.1\nHost: localhost\nContent-Length: 4\n\nbody")
            #expect(answer.status == 200 && answer.text == "POST /x%2Fy?z HTTP/1.1|body")
            #expect(answer["Via"] == "1.1 kiln" && answer["X-Request-Id"]?.count == 32 && answer["Date"] != nil)
            #expect(upstream.requests[0]["X-Forwarded-For"] == "127.0.0.1")
            #expect(upstream.requests[0]["X-Request-Id"] == answer["X-Request-Id"])
        }
    }

    @Test func `under its host name all paths are the function's`() async throws {
        try await withRouter(configure: {
            $0.functionHost = try? FunctionHost("{name}.example.com")
            $0.management = .init(
                builder: .tcp(host: "127.0.0.1", port: 1), deployer: .tcp(host: "127.0.0.1", port: 1),
                internalToken: "inner", hostNames: ["www.example.com"])
        }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { ok($0.line) }
            try router.route(["hello": [upstream], "www": [upstream]])
            for target in ["/", "/a%2Fb?c", "/func", "/fn/other/x", "/fn/hello@1/", "/healthz", "/metrics", "/gc"] {
                let answer = try await router.call("GET \(target) HTTP/1.1\nHost: hello.example.com:8080\n\n")
                #expect(answer.status == 200 && answer.text == "GET \(target) HTTP/1.1")
            }
            #expect(upstream.requests.allSatisfy { $0["Host"] == "hello.example.com:8080" })
            #expect(upstream.requests.allSatisfy { $0["X-Forwarded-Prefix"] == nil })
            let absolute = try await router.call("GET http://hello.example.com?q HTTP/1.1\nHost: www.example.com\n\n")
            #expect(absolute.text == "GET /?q HTTP/1.1")
            for (host, target, status) in [
                ("none.example.com", "/healthz", 404), ("www.example.com", "/healthz", 200),
                ("www.example.com", "/fn/hello/", 200), ("kiln.example.com", "/healthz", 200),
                ("example.com", "/fn/hello/", 200), ("hello.example.com", "/../x", 400),
                ("hello.example.com", "*", 404),
            ] {
                #expect(try await router.call("GET \(target) HTTP/1.1\nHost: \(host)\n\n").status == status, "\(host)")
            }
        }
    }

    @Test func `instances listen on unix sockets and TCP alike`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: nil) { _ in ok() }
            try router.route(["tcp": [upstream]])
            #expect(try await router.get("/fn/tcp").status == 200)
        }
    }

    @Test func `connections are kept on both sides, and pipelined requests answered in order`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok(request.target) }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                let requests = (0..<50).map { index in
                    index % 3 == 0
                        ? "POST /fn/f/\(index) HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                        : index % 3 == 1
                            ? "POST /fn/f/\(index) HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
                            : "GET /fn/f/\(index) HTTP/1.1\r\nHost: h\r\n\r\n"
                }
                try socket.send(requests.joined())
                for index in 0..<50 { #expect(try socket.receiveResponse().text == "/\(index)") }
                for index in 0..<5 {
                    try socket.send("GET /fn/f/again\(index) HTTP/1.1\r\nHost: h\r\n\r\n")
                    #expect(try socket.receiveResponse().text == "/again\(index)")
                }
            }
            #expect(upstream.accepted == 1)
            #expect(upstream.requests.count == 55)
        }
    }

    @Test func `unknown functions, revisions and paths are 404 with a problem`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            for (target, reason) in [
                ("/fn/g", "unknown-function"), ("/fn/f@2", "unknown-revision"), ("/", "not-found"),
                ("/fn/fx", "unknown-function"),
                ("/internal/routes", "not-found"), ("/func", "not-found"), ("/metrics", "not-found"),
            ] {
                let answer = try await router.get(target)
                #expect(answer.status == 404 && answer["X-Kiln-Reason"] == reason, "\(target)")
                #expect(answer["Content-Type"] == "application/problem+json" && answer["Server"] == "kiln-router")
                #expect(answer.text.contains(answer["X-Request-Id"] ?? "-"))
            }
            #expect(upstream.requests.isEmpty)
            #expect(try await router.get("/fn/f@1").status == 200)
        }
    }

    @Test func `probes answer, readiness with the first table`() async throws {
        try await withRouter { router in
            #expect(try await router.get("/healthz").status == 200)
            #expect(try await router.get("/readyz").status == 503)
            try router.route(endpoints: [:])
            try await eventually("the table is in use") { router.status != nil }
            #expect(try await router.get("/readyz").status == 200)
        }
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD", 200, "5" as String?, nil as String?),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD", 200, nil, nil),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", "GET", 204, nil, nil),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\nETag: x\r\n\r\n", "GET", 304, "9", nil),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", 200, "0", nil),
    ])
    func `responses without a body end where they end`(
        response: String, method: String, status: Int, length: String?, coding: String?
    ) async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in response }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                for _ in 0..<2 {
                    try socket.send("\(method) /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                    let answer = try socket.receiveResponse(to: method)
                    #expect(answer.status == status && answer["Content-Length"] == length)
                    #expect(answer["Transfer-Encoding"] == coding)
                }
            }
            #expect(upstream.accepted == 1)
        }
    }

    @Test func `trailers that Connection names end here, both ways`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                let names = request.trailers.map(\.name).joined()
                return
                    "HTTP/1.1 200 OK\r\nConnection: x-out\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\(names.count)!\r\n"
                    + "0\r\nX-Out: 1\r\nX-Kept: 2\r\n\r\n"
            }
            try router.route(["f": [upstream]])
            let answer = try await router.call(
                "POST /fn/f HTTP/1.1\nHost: h\nConnection: X-In\nTransfer-Encoding: chunked\n\n0\nx-in: 5\nX-Other: 6\n\n"
            )
            #expect(upstream.requests[0].trailers.map(\.name) == ["X-Other"])
            #expect(answer.trailers.map(\.name) == ["X-Kept"])
        }
    }

    @Test func `trailers pass both ways`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                let sum = request.trailers.map { "\($0.name)=\($0.value)" }.joined()
                return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                    + "\(String(sum.utf8.count, radix: 16))\r\n\(sum)\r\n0\r\nX-Sum: 7\r\nX-Kiln-Reason: lie\r\n\r\n"
            }
            try router.route(["f": [upstream]])
            let answer = try await router.call(
                "POST /fn/f HTTP/1.1\nHost: h\nTE: trailers\nTransfer-Encoding: chunked\nTrailer: X-In\n\n3\nabc\n0\nX-In: 5\n\n"
            )
            #expect(answer.text == "X-In=5" && answer["Trailer"] == "X-Sum")
            #expect(answer.trailers.map { "\($0.name)=\($0.value)" } == ["X-Sum=7"])
            #expect(upstream.requests[0]["TE"] == "trailers" && upstream.requests[0].text == "abc")
        }
    }

    @Test func `a response that ends with its connection becomes chunks`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send("HTTP/1.1 200 OK\r\n\r\nfirst ")
                try socket.send("second")
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                for _ in 0..<2 {
                    try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                    let answer = try socket.receiveResponse()
                    #expect(answer.chunked && answer.text == "first second")
                }
                try socket.send("GET /fn/f HTTP/1.0\r\n\r\n")
                let old = try socket.receiveAll()
                #expect(old.hasSuffix("\r\n\r\nfirst second") && !old.contains("chunked"))
            }
        }
    }

    @Test func `HTTP/1.0 clients are served as they expect`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                request.target == "/c"
                    ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nT: 1\r\n\r\n" : ok("plain")
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let kept = try RawSocket.connect(port)
                for _ in 0..<2 {
                    try kept.send("GET /fn/f HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                    let answer = try kept.receiveResponse()
                    #expect(answer.text == "plain" && answer["Connection"] == "keep-alive")
                }
                try kept.send("GET /fn/f/c HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                let chunked = try kept.receiveAll()
                #expect(chunked.hasSuffix("\r\n\r\nab") && chunked.contains("\r\nConnection: close\r\n"))
                let single = try RawSocket.connect(port)
                try single.send("GET /fn/f HTTP/1.0\r\n\r\n")
                #expect(try single.receiveAll().hasSuffix("plain"))
            }
        }
    }

    @Test func `a client that wants to close is closed, after the answer`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send(
                    "GET /fn/f HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                let all = try socket.receiveAll()
                #expect(all.contains("\r\nConnection: close\r\n") && all.ranges(of: "HTTP/1.1 200").count == 1)
            }
            #expect(upstream.requests.count == 1)
        }
    }

    @Test func `h2c is ignored, unknown methods and any header bytes pass`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                while true {
                    let head = try socket.receive(through: "\r\n\r\n", seconds: 60)
                    try socket.send(
                        ok(head.contains("h2c") || head.contains("HTTP2") ? "leaked" : head.prefix(4) + "ok"))
                }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send(
                    "GET /fn/f HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n"
                )
                #expect(try socket.receiveResponse().text == "GET ok")
                try socket.send("BREW /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try socket.receiveResponse().text == "BREWok")
                try socket.send(
                    Array("GET /fn/f HTTP/1.1\r\nHost: h\r\nX: ".utf8) + [0xFF, 0xFE] + Array("\r\n\r\n".utf8))
                #expect(try socket.receiveResponse().text == "GET ok")
            }
        }
    }

    @Test func `bytes that are no UTF-8 arrive as they were sent, both ways`() async throws {
        try await withRouter(loops: 1) { router in
            let value: [UInt8] = [0xFF, 0xFE, 0xC3, 0x28, 0x80]
            let seen = Mutex<[UInt8]>([])
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                let head = try socket.receiveHeadBytes()
                seen.withLock { $0 = head }
                try socket.send(
                    Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Out: ".utf8) + value + [13, 10, 13, 10])
            }
            try router.route(["f": [upstream]])
            let answer = try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                let line = Array("GET /fn/f/".utf8) + value + Array(" HTTP/1.1\r\nHost: h\r\nX-In: ".utf8)
                try socket.send(line + value + [13, 10, 13, 10])
                return try socket.receiveHeadBytes()
            }
            let request = seen.withLock { $0 }
            #expect(request.starts(with: Array("GET /".utf8) + value + Array(" HTTP/1.1\r\n".utf8)))
            #expect(request.end(of: Array("\r\nX-In: ".utf8) + value + [13, 10]) != nil)
            #expect(answer.end(of: Array("\r\nX-Out: ".utf8) + value + [13, 10]) != nil)
        }
    }

    @Test(arguments: [
        ("127.0.0.0/8", "9.9.9.9, 127.0.0.1 https public for=9.9.9.9"), ("192.0.2.0/24", "127.0.0.1 http h none"),
    ])
    func `whose request it is, only a proxy of a trusted network may say`(range: String, seen: String) async throws {
        let trusted = try #require(IPv4Range(range))
        try await withRouter(configure: { $0.trustedProxies = [trusted] }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                ok(
                    ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"]
                        .map { request[$0] == nil ? "none" : request.values($0).joined(separator: "|") }
                        .joined(separator: " "))
            }
            try router.route(["f": [upstream]])
            let answer = try await router.call(
                "GET /fn/f HTTP/1.1\nHost: h\nX-Forwarded-For: 9.9.9.9\nX-Forwarded-Proto: https\nX-Forwarded-Host: public\n"
                    + "Forwarded: for=9.9.9.9\n\n")
            #expect(answer.text == seen)
        }
    }

    @Test func `the Router's own answer to HEAD has its length and no body`() async throws {
        try await withRouter { router in
            try router.route(endpoints: [:])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                for (target, status) in [("/healthz", 200), ("/fn/nobody", 404), ("/", 404)] {
                    try socket.send("HEAD \(target) HTTP/1.1\r\nHost: h\r\n\r\n")
                    let answer = try socket.receiveHead()
                    #expect(answer.status == status && (answer["Content-Length"].flatMap(Int.init) ?? 0) > 0)
                    try socket.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
                    let next = try socket.receiveResponse()
                    #expect(next.line == "HTTP/1.1 200 OK" && next.text == "ok\n")
                }
            }
        }
    }

    @Test func `a client's request id is kept if it is harmless`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok(request["X-Request-Id"] ?? "")
            }
            try router.route(["f": [upstream]])
            #expect(try await router.get("/fn/f", "X-Request-Id: Abc-1.2:3_4\n").text == "Abc-1.2:3_4")
            for bad in ["a b", "a\"b", "\u{e4}", String(repeating: "a", count: 129)] {
                let answer = try await router.get("/fn/f", "X-Request-Id: \(bad)\n")
                #expect(answer.text.count == 32 && answer["X-Request-Id"] == answer.text)
            }
        }
    }
}

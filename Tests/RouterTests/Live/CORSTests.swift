import Contract
import Foundation
import Support
import Testing

@testable import Router

/// The CORS protocol (WHATWG Fetch, 3.3) as browsers meet it.
@Suite struct CORSTests {
    private static let page = "https://page.example"

    private func route(
        _ router: TestRouter, _ upstream: TestUpstream?, _ policy: CORSPolicy?, pinned: CORSPolicy? = nil,
        timeout: Int = 10_000, concurrency: Int = 100, notice: RouteNotice? = nil
    ) throws {
        func target(_ revision: Int, _ policy: CORSPolicy?) -> RouteTarget {
            RouteTarget(
                revision: revision, weight: 1, timeoutMilliseconds: timeout, concurrency: concurrency,
                endpoints: upstream.map { [$0.endpoint] } ?? [], notice: notice, cors: policy)
        }
        router.apply([
            try FunctionName("f"): Route(targets: [target(2, policy)], pinned: [target(1, pinned)])
        ])
    }

    private func preflight(
        _ router: TestRouter, _ target: String = "/fn/f", origin: String = page, method: String = "PUT",
        headers: String? = "content-type,x-user", host: String = "localhost"
    ) async throws -> RawMessage {
        let asked = headers.map { "Access-Control-Request-Headers: \($0)\n" } ?? ""
        return try await router.call(
            "OPTIONS \(target) HTTP/1.1\nHost: \(host)\nOrigin: \(origin)\nAccess-Control-Request-Method: \(method)\n\(asked)\n"
        )
    }

    @Test func `a preflight is answered without an instance`() async throws {
        try await withRouter { router in
            try route(router, nil, try CORSPolicy(origins: [Self.page], credentials: true, maxAgeSeconds: 5))
            let answer = try await preflight(router)
            #expect(answer.line == "HTTP/1.1 204 No Content")
            #expect(answer.values("Access-Control-Allow-Origin") == [Self.page])
            #expect(answer["Access-Control-Allow-Credentials"] == "true")
            #expect(answer["Access-Control-Allow-Methods"] == "PUT")
            #expect(answer["Access-Control-Allow-Headers"] == "content-type,x-user")
            #expect(answer["Access-Control-Max-Age"] == "5")
            #expect(answer["Vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
            #expect(answer["Content-Length"] == nil && answer["Content-Type"] == nil)
            try await router.expect("kiln_router_preflights_total", nil, 1)
        }
    }

    @Test func `lists that were given are the answer, and * is sent as such`() async throws {
        try await withRouter { router in
            try route(
                router, nil,
                try CORSPolicy(origins: ["*"], methods: "GET,PUT", headers: "X-One,X-Two", maxAgeSeconds: 0))
            let answer = try await preflight(router, method: "DELETE", headers: nil)
            #expect(answer.status == 204 && answer["Access-Control-Allow-Origin"] == "*")
            #expect(answer["Access-Control-Allow-Methods"] == "GET, PUT")
            #expect(answer["Access-Control-Allow-Headers"] == "x-one, x-two")
            #expect(answer["Access-Control-Max-Age"] == "0")
            #expect(answer["Vary"] == "Access-Control-Request-Method, Access-Control-Request-Headers")
        }
    }

    @Test(arguments: ["a b", "a,,b", "x\u{E9}", "\"q\""])
    func `what is no list of names is not repeated`(headers: String) async throws {
        try await withRouter { router in
            try route(router, nil, try CORSPolicy(origins: ["*"]))
            let answer = try await preflight(router, headers: headers)
            #expect(answer.status == 204 && answer["Access-Control-Allow-Headers"] == nil)
        }
    }

    @Test(arguments: [
        "https://other.example", "https://page.example:8443", "http://page.example", "HTTPS://page.example",
        "https://page.example.evil", "null", "",
    ])
    func `another origin is refused, and its requests get no leave`(origin: String) async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("secret") }
            try route(router, upstream, try CORSPolicy(origins: [Self.page]))
            let refused = try await preflight(router, origin: origin)
            #expect(refused.status == 403 && refused["X-Kiln-Reason"] == "origin-not-allowed")
            #expect(refused["Access-Control-Allow-Origin"] == nil && refused["Vary"] == "Origin")
            #expect(upstream.requests.isEmpty)
            let answer = try await router.get("/fn/f", "Origin: \(origin)\n")
            #expect(answer.status == 200 && answer["Access-Control-Allow-Origin"] == nil)
            #expect(answer["Vary"] == "Origin")
        }
    }

    @Test func `the fields take the place of the function's own`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                ok(
                    "x",
                    "access-control-allow-origin: *\r\nX-One: 1\r\nAccess-Control-Expose-Headers: X-Lie\r\n"
                        + "Vary: Accept\r\nACCESS-CONTROL-ALLOW-CREDENTIALS: true\r\n")
            }
            try route(router, upstream, try CORSPolicy(origins: [Self.page], exposed: "X-One,X-Two"))
            let answer = try await router.get("/fn/f", "Origin: \(Self.page)\n")
            #expect(answer.values("Access-Control-Allow-Origin") == [Self.page])
            #expect(answer.values("Access-Control-Expose-Headers") == ["x-one, x-two"])
            #expect(answer["Access-Control-Allow-Credentials"] == nil)
            #expect(answer.values("Vary") == ["Accept", "Origin"] && answer["X-One"] == "1" && answer.text == "x")
            // What is no page gets the same bytes, marked for caches.
            let other = try await router.get("/fn/f")
            #expect(other["Access-Control-Allow-Origin"] == nil && other.values("Vary") == ["Accept", "Origin"])
        }
    }

    @Test func `every origin needs no Vary, and is told those too who do not ask`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("x") }
            try route(router, upstream, try CORSPolicy(origins: ["*"]))
            for fields in ["", "Origin: \(Self.page)\n"] {
                let answer = try await router.get("/fn/f", fields)
                #expect(answer.values("Access-Control-Allow-Origin") == ["*"] && answer["Vary"] == nil)
            }
        }
    }

    @Test func `without a policy all of it is the function's`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                ok(request.method, "Access-Control-Allow-Origin: https://its.own\r\n")
            }
            try route(router, upstream, nil)
            let answer = try await preflight(router)
            #expect(answer.text == "OPTIONS" && answer["Access-Control-Allow-Origin"] == "https://its.own")
            #expect(answer["Vary"] == nil)
            #expect(upstream.requests.first?["Access-Control-Request-Method"] == "PUT")
        }
    }

    @Test func `OPTIONS that is no preflight goes to the function`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok(request.method) }
            try route(router, upstream, try CORSPolicy(origins: ["*"]))
            for fields in ["Origin: \(Self.page)\n", "Access-Control-Request-Method: PUT\n"] {
                let answer = try await router.call("OPTIONS /fn/f HTTP/1.1\nHost: localhost\n\(fields)\n")
                #expect(answer.text == "OPTIONS" && answer["Access-Control-Allow-Origin"] == "*")
            }
        }
    }

    @Test func `each revision has its own policy`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("x") }
            try route(
                router, upstream, try CORSPolicy(origins: [Self.page]),
                pinned: try CORSPolicy(origins: ["https://old.example"]))
            #expect(try await preflight(router, "/fn/f@1").status == 403)
            let old = try await preflight(router, "/fn/f@1/x", origin: "https://old.example")
            #expect(old.status == 204 && old["Access-Control-Allow-Origin"] == "https://old.example")
            let answer = try await router.get("/fn/f@1", "Origin: https://old.example\n")
            #expect(answer["Access-Control-Allow-Origin"] == "https://old.example")
            #expect(try await preflight(router, "/fn/f@2").status == 204)
        }
    }

    @Test func `while revisions share the traffic a preflight is answered by one that allows it`() async throws {
        try await withRouter { router in
            let f = try FunctionName("f")
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok("own \(request.method)") }
            func target(_ revision: Int, _ origin: String?) throws -> RouteTarget {
                RouteTarget(
                    revision: revision, weight: 50, timeoutMilliseconds: 1000, concurrency: 10,
                    endpoints: [upstream.endpoint], cors: try origin.map { try CORSPolicy(origins: [$0]) })
            }
            router.apply([f: Route(targets: [try target(1, "https://a"), try target(2, "https://b")])])
            for _ in 0..<10 {
                #expect(try await preflight(router, origin: "https://a").status == 204)
                #expect(try await preflight(router, origin: "https://b").status == 204)
                #expect(try await preflight(router, origin: "https://c").status == 403)
            }
            router.apply([f: Route(targets: [try target(1, nil), try target(2, "https://b")])])
            #expect(try await preflight(router, origin: "https://b").status == 204)
            // One of them leaves it to its code.
            let answers = try await (0..<20).asyncMap { _ in try await preflight(router, origin: "https://c") }
            #expect(answers.contains { $0.text == "own OPTIONS" })
        }
    }

    @Test func `one that came before there was a table is answered too`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("x") }
            let waiting = Task { try await preflight(router) }
            try await Task.sleep(for: .milliseconds(100))
            try route(router, upstream, try CORSPolicy(origins: [Self.page]))
            let answer = try await waiting.value
            #expect(answer.status == 204 && answer["Access-Control-Allow-Origin"] == Self.page)
            #expect(upstream.requests.isEmpty)
            try await router.expect("kiln_requests_in_flight", nil, 0)
        }
    }

    @Test func `a page can read why its request failed`() async throws {
        try await withRouter {
            $0.timeouts.hold = .milliseconds(100)
            $0.limits.functionBody = 10
        } _: { router in
            let policy = try CORSPolicy(origins: [Self.page], exposed: "X-Kiln-Reason")
            func fails(_ status: Int, _ reason: String, _ head: String = "GET /fn/f HTTP/1.1") async throws {
                let answer = try await router.call("\(head)\nHost: localhost\nOrigin: \(Self.page)\n\n")
                #expect(answer.status == status && answer["X-Kiln-Reason"] == reason, "\(answer)")
                #expect(answer.values("Access-Control-Allow-Origin") == [Self.page])
                #expect(answer["Access-Control-Expose-Headers"] == "x-kiln-reason" && answer["Vary"] == "Origin")
            }
            try route(router, nil, policy)
            try await fails(504, "no-instance")
            try await fails(413, "body-too-large", "POST /fn/f HTTP/1.1\nContent-Length: 11")
            try route(router, nil, policy, notice: .failed("It crashed."))
            try await fails(502, "start-failed")
            let silent = try TestUpstream("s", path: router.path("s")) { socket, _ in
                _ = try? socket.receiveRequest(seconds: 5)
                _ = try? socket.receiveRequest(seconds: 5)
            }
            try route(router, silent, policy, timeout: 100)
            try await fails(504, "response-timeout")
            let dead = try TestUpstream("d", path: router.path("d")) { socket, _ in
                _ = try? socket.receiveRequest(seconds: 5)
                socket.close()
            }
            try route(router, dead, policy)
            try await fails(502, "upstream-closed", "POST /fn/f HTTP/1.1\nContent-Length: 0")
            // It has no policy of its own that could be asked.
            let unknown = try await router.get("/fn/g", "Origin: \(Self.page)\n")
            #expect(unknown.status == 404 && unknown["Access-Control-Allow-Origin"] == nil)
        }
    }

    @Test func `too many requests say so to a page`() async throws {
        try await withRouter(loops: 1) {
            $0.limits.held = 1
            $0.timeouts.hold = .milliseconds(500)
        } _: { router in
            let slow = try TestUpstream("s", path: router.path("s")) { _ in
                Thread.sleep(forTimeInterval: 1.5)
                return ok("x")
            }
            try route(router, slow, try CORSPolicy(origins: ["*"]), concurrency: 1)
            let first = Task { try await router.get("/fn/f") }
            try await eventually("it is at work") { slow.requests.count == 1 }
            let second = Task { try await router.get("/fn/f") }
            try await router.expect("kiln_requests_waiting", nil, 1)
            let third = try await router.get("/fn/f")
            #expect(third.status == 429 && third["Access-Control-Allow-Origin"] == "*")
            let saturated = try await second.value
            #expect(saturated.status == 503 && saturated["Access-Control-Allow-Origin"] == "*")
            #expect(try await first.value.status == 200)
        }
    }

    @Test func `a host name of its own and HTTP 2 make no difference`() async throws {
        try await withRouter {
            $0.functionHost = try? FunctionHost("{name}.localhost")
        } _: { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                ok("x", "Access-Control-Allow-Origin: *\r\n")
            }
            try route(router, upstream, try CORSPolicy(origins: [Self.page], credentials: true))
            let host = "f.localhost:\(router.port)"
            #expect(try await preflight(router, "/deep", host: host).status == 204)
            func curl(_ arguments: String...) async throws -> String {
                let result = try await command(
                    "curl",
                    ["-si", "--http2-prior-knowledge", "--max-time", "10", "-H", "Host: \(host)"] + arguments + [
                        "http://127.0.0.1:\(router.port)/x"
                    ])
                return result.output.replacing("\r\n", with: "\n")
            }
            let answer = try await curl("-H", "Origin: \(Self.page)")
            #expect(answer.hasPrefix("HTTP/2 200") && answer.contains("\naccess-control-allow-credentials: true\n"))
            #expect(answer.components(separatedBy: "access-control-allow-origin: ").count == 2, "\(answer)")
            let asked = try await curl(
                "-X", "OPTIONS", "-H", "Origin: \(Self.page)", "-H", "Access-Control-Request-Method: PATCH")
            #expect(
                asked.hasPrefix("HTTP/2 204") && asked.contains("\naccess-control-allow-methods: PATCH\n"), "\(asked)")
            #expect(upstream.requests.count == 1)
        }
    }

    @Test func `management stays closed to pages`() async throws {
        let none = Endpoint.Address.unix(path: "/nowhere")
        try await withRouter(management: .init(builder: none, deployer: none, internalToken: "t")) { router in
            try route(router, nil, try CORSPolicy(origins: ["*"]))
            let answer = try await preflight(router, "/func?name=f", method: "POST")
            #expect(answer.status == 403 && answer["X-Kiln-Reason"] == "cross-site")
            #expect(answer["Access-Control-Allow-Origin"] == nil)
        }
    }
}

extension Sequence {
    fileprivate func asyncMap<T>(_ transform: (Element) async throws -> T) async rethrows -> [T] {
        var results: [T] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}

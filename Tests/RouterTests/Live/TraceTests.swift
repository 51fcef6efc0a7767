import Contract
import Foundation
import Support
import Synchronization
import Telemetry
import Testing

@testable import Router

/// Spans of requests as they come out of a Router.
@Suite struct TraceTests {
    private static let trace = "0af7651916cd43dd8448eb211c80319c"
    private static let caller = "b7ad6b7169203331"

    private func withTracing(
        fraction: Double = 1, loops: Int = 2, _ configure: (inout RouterConfiguration) -> Void = { _ in },
        _ body: (TestRouter, SpanQueue) async throws -> Void
    ) async throws {
        let queue = SpanQueue(limit: 1000)
        try await withRouter(loops: loops) {
            $0.tracing = Tracing(queue, fraction: fraction)
            $0.timeouts.hold = .milliseconds(300)
            configure(&$0)
        } _: { router in
            try await body(router, queue)
        }
    }

    /// The spans of one request.
    private func taken(_ queue: SpanQueue) async throws -> [Span] {
        try await eventually("it is recorded") { queue.count > 0 }
        return queue.take(.max)
    }

    @Test func `a request is a span, and its instance's work another that the function's are children of`() async throws
    {
        try await withTracing { router, queue in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let before = Tracing.now()
            _ = try await router.call(
                "POST /fn/f/x?secret=1 HTTP/1.1\nHost: example.com:8080\nX-Request-Id: mine\nContent-Length: 0\n"
                    + "traceparent: 00-\(Self.trace)-\(Self.caller)-01\ntracestate: a=b\n\n")
            let spans = try await taken(queue)
            try #require(spans.count == 2)
            let (server, client) = (spans[0], spans[1])
            #expect(server.name == "POST /fn/f" && server.kind == .server && !server.isError && server.hasRemoteParent)
            #expect(server.context.traceText == Self.trace && server.parent == 0xB7AD_6B71_6920_3331)
            #expect(server.start >= before && server.end > server.start && server.end <= Tracing.now())
            let said = server.said
            #expect(
                said == [
                    "http.request.method": "POST", "http.route": "/fn/f", "url.path": "/fn/f/x", "url.scheme": "http",
                    "server.address": "example.com", "server.port": "8080", "client.address": "127.0.0.1",
                    "network.protocol.name": "http", "network.protocol.version": "1.1",
                    "http.response.status_code": "200", "kiln.request_id": "mine", "kiln.function": "f",
                    "kiln.revision": "1",
                ])
            #expect(server.events.map(\.name) == ["kiln.connecting"])
            #expect(client.name == "POST" && client.kind == .client && !client.isError && !client.hasRemoteParent)
            #expect(client.parent == server.context.span && client.context.trace == server.context.trace)
            #expect(client.start >= server.start && client.end <= server.end)
            #expect(client.said["kiln.instance"] == "a" && client.said["network.transport"] == "unix")
            #expect(client.said["http.response.status_code"] == "200")
            let seen = try #require(upstream.requests.first)
            #expect(seen.values("traceparent") == [client.context.traceparent] && seen["tracestate"] == "a=b")
        }
    }

    @Test func `a trace begins here when nobody has begun it, or nobody can read who has`() async throws {
        try await withTracing { router, queue in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let good = "traceparent: 00-\(Self.trace)-\(Self.caller)-01\n"
            for fields in ["", "traceparent: 00-nonsense-01\ntracestate: a=b\n", good + good] {
                _ = try await router.get("/fn/f", fields)
                let spans = try await taken(queue)
                #expect(spans[0].parent == nil && !spans[0].hasRemoteParent && spans[0].context.traceText != Self.trace)
                let seen = try #require(upstream.requests.last)
                #expect(seen.values("traceparent") == [spans[1].context.traceparent] && seen["tracestate"] == nil)
            }
        }
    }

    @Test func `what is not sampled is not recorded, and passes as it came`() async throws {
        try await withTracing(fraction: 0) { router, queue in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            for value in [nil, "00-\(Self.trace)-\(Self.caller)-00", "nonsense"] {
                _ = try await router.get("/fn/f", value.map { "traceparent: \($0)\ntracestate: x=y\n" } ?? "")
                #expect(upstream.requests.last?["traceparent"] == value)
                #expect(upstream.requests.last?["tracestate"] == value.map { _ in "x=y" })
            }
            // One that its caller wants recorded comes last: nothing before it was.
            _ = try await router.get("/fn/f", "traceparent: 00-\(Self.trace)-\(Self.caller)-01\n")
            #expect(try await taken(queue).map(\.context.traceText) == [Self.trace, Self.trace])
        }
    }

    @Test func `a failure has its reason, a client's mistake is no failure of the server`() async throws {
        try await withTracing { router, queue in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                let status = request.target.hasSuffix("500") ? "500 X" : "404 X"
                return "HTTP/1.1 \(status)\r\nContent-Length: 0\r\n\r\n"
            }
            let dead = try TestUpstream("d", path: router.path("d")) { socket, _ in
                _ = try? socket.receiveRequest(seconds: 5)
                socket.close()
            }
            let slow = try TestUpstream("s", path: router.path("s")) { socket, _ in
                _ = try? socket.receiveRequest(seconds: 5)
                _ = try? socket.receiveRequest(seconds: 5)
            }
            try router.route(
                ["f": [upstream], "dead": [dead], "empty": [], "slow": [slow]], timeout: .milliseconds(200))
            func spans(_ head: String) async throws -> [Span] {
                _ = try await router.call("\(head) HTTP/1.1\nHost: h\n\n")
                return try await taken(queue)
            }
            let missing = try await spans("GET /fn/f/404")
            #expect(!missing[0].isError && missing[0].said["error.type"] == nil && missing[1].isError)
            #expect(missing[1].said["error.type"] == "404")
            let broken = try await spans("GET /fn/f/500")
            #expect(broken[0].isError && broken[0].said["error.type"] == "500" && broken[1].isError)
            let lost = try await spans("DELETE /fn/dead?x")
            #expect(lost[0].isError && lost[0].said["kiln.reason"] == "upstream-closed")
            #expect(lost[0].said["http.response.status_code"] == "502")
            #expect(lost[1].said["error.type"] == "upstream-closed" && lost[1].said["http.response.status_code"] == nil)
            let none = try await spans("GET /fn/empty")
            #expect(
                none.count == 1 && none[0].said["error.type"] == "no-instance" && none[0].said["kiln.revision"] == nil)
            #expect(none[0].events.map(\.name) == ["kiln.waiting"])
            let late = try await spans("GET /fn/slow")
            #expect(
                late[0].said["http.response.status_code"] == "504" && late[1].said["error.type"] == "response-timeout")
            let unknown = try await spans("GET /fn/unknown")
            #expect(unknown.count == 1 && !unknown[0].isError && unknown[0].said["kiln.reason"] == "unknown-function")
            let odd = try await spans("BREW /fn/f/404")
            #expect(odd[0].name == "HTTP /fn/f" && odd[0].said["http.request.method"] == "_OTHER")
            #expect(odd[0].said["http.request.method_original"] == "BREW")
        }
    }

    @Test func `a request that is sent again has a span for each time`() async throws {
        try await withTracing(loops: 1) { router, queue in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                // Answers once, and closes when it is asked again over the same connection.
                guard let request = try? socket.receiveRequest(seconds: 5) else { return }
                server.record(request)
                try socket.send(ok())
                _ = try? socket.receiveRequest(seconds: 5)
                socket.close()
            }
            try router.route(["f": [upstream]])
            _ = try await router.get("/fn/f")
            _ = try await taken(queue)
            #expect(try await router.get("/fn/f").status == 200)
            let spans = try await taken(queue)
            try #require(spans.count == 3)
            #expect(
                spans[1].said["error.type"] == "upstream-closed" && spans[1].said["http.request.resend_count"] == nil)
            #expect(spans[2].said["http.request.resend_count"] == "1" && !spans[2].isError && !spans[0].isError)
            #expect(Set(spans.map(\.context.span)).count == 3)
            #expect(upstream.requests.last?["traceparent"] == spans[2].context.traceparent)
        }
    }

    @Test func `HTTP 2, host names and clients that go make spans too`() async throws {
        try await withTracing {
            $0.functionHost = try? FunctionHost("{name}.localhost")
            $0.timeouts.probe = .milliseconds(50)
        } _: { router, queue in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                if request.target == "/slow" { Thread.sleep(forTimeInterval: 1) }
                return ok()
            }
            try router.route(["f": [upstream]])
            _ = try await command(
                "curl",
                [
                    "-s", "--http2-prior-knowledge", "--max-time", "10", "-H", "Host: f.localhost:80",
                    "http://127.0.0.1:\(router.port)/x",
                ])
            let said = try await taken(queue)[0].said
            #expect(said["network.protocol.version"] == "2" && said["server.address"] == "f.localhost")
            #expect(said["http.route"] == "/fn/f" && said["url.path"] == "/x")
            let socket = try router.connect()
            try socket.send("GET /fn/f/slow HTTP/1.1\r\nHost: h\r\n\r\n")
            try await eventually("it is at work") { upstream.requests.count == 2 }
            socket.close()
            let gone = try await taken(queue)[0]
            #expect(gone.said["error.type"] == "client-gone" && !gone.isError)
            #expect(gone.said["http.response.status_code"] == nil)
        }
    }

    @Test func `management calls go on with their trace`() async throws {
        let directory = NSTemporaryDirectory() + "kiln-trace-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let role = try TestUpstream("role", path: directory + "/r.sock") { _ in ok() }
        try await withTracing {
            $0.management = .init(
                builder: role.endpoint.address, deployer: role.endpoint.address, internalToken: "t",
                observer: role.endpoint.address)
        } _: { router, queue in
            router.apply([:])
            #expect(try await router.get("/metrics").status == 200)
            #expect(try await router.get("/func/f").status == 200)
            let spans = try await taken(queue)
            // None of /metrics, which somebody scrapes every few seconds.
            #expect(spans.map(\.name) == ["GET /func/{name}", "GET"])
            #expect(role.requests.last?["traceparent"] == spans[1].context.traceparent)
        }
    }
}

extension Span {
    /// The attributes as text.
    fileprivate var said: [String: String] {
        Dictionary(
            uniqueKeysWithValues: attributes.map { attribute in
                switch attribute.value {
                case .text(let text): (attribute.key, text)
                case .integer(let number): (attribute.key, "\(number)")
                }
            })
    }
}

import Contract
import Foundation
import Telemetry
import Testing

@testable import Router

/// What a Router counts.
@Suite struct MetricsTests {
    /// The value of the sample of `name` that has these labels; `nil` when there is none.
    private func value(_ router: TestRouter, _ name: String, _ labels: [String: String] = [:]) async throws -> Double? {
        for family in try await router.server.metrics() {
            for sample in family.samples where family.name + sample.suffix == name {
                if labels.allSatisfy({ label in
                    sample.labels.contains { $0.name == label.key && $0.value == label.value }
                }) {
                    return sample.value
                }
            }
        }
        return nil
    }

    /// Waits: a client has its answer a moment before it is counted.
    private func expect(
        _ router: TestRouter, _ name: String, _ labels: [String: String] = [:], _ expected: Double?,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while try await value(router, name, labels) != expected, .now < end {
            try await Task.sleep(for: .milliseconds(10))
        }
        let found = try await value(router, name, labels)
        #expect(found == expected, "\(name) \(labels)", sourceLocation: sourceLocation)
    }

    @Test func `requests are counted by function and class, with bytes and durations`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                request.line.contains("/bad") ? "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno" : ok("hello")
            }
            router.apply([:])
            try router.route(["x": [upstream], "y": [upstream]])
            for _ in 0..<3 { _ = try await router.get("/fn/x") }
            _ = try await router.get("/fn/x/bad")
            _ = try await router.call("POST /fn/y HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc")
            try await expect(router, "kiln_requests_total", ["function": "x", "code": "2xx"], 3)
            try await expect(router, "kiln_requests_total", ["function": "x", "code": "4xx"], 1)
            try await expect(router, "kiln_requests_total", ["function": "y", "code": "2xx"], 1)
            try await expect(router, "kiln_requests_in_flight", ["function": "x"], 0)
            try await expect(router, "kiln_response_body_bytes_total", ["function": "x"], 17)
            try await expect(router, "kiln_request_body_bytes_total", ["function": "y"], 3)
            try await expect(router, "kiln_request_duration_seconds_count", ["function": "x"], 4)
            try await expect(router, "kiln_request_duration_seconds_bucket", ["function": "x", "le": "+Inf"], 4)
            try await expect(router, "kiln_upstream_response_seconds_count", ["function": "x"], 4)
            try await expect(router, "kiln_router_functions", [:], 2)
            let seconds = try #require(try await value(router, "kiln_request_duration_seconds_sum", ["function": "x"]))
            #expect(seconds > 0)
            try await expect(router, "kiln_router_connections_total", [:], 5)
        }
    }

    @Test func `what the Router answers itself is counted by reason, and for the function it was for`() async throws {
        try await withRouter(configure: { $0.timeouts.hold = .milliseconds(200) }) { router in
            try router.route(endpoints: ["cold": []])
            #expect(try await router.get("/fn/none").status == 404)
            #expect(try await router.get("/fn/cold").status == 504)
            #expect(try await router.call("GET /fn/x HTTP/1.1\n\n").status == 400)
            try await expect(router, "kiln_router_answers_total", ["reason": "unknown-function"], 1)
            try await expect(router, "kiln_router_answers_total", ["reason": "no-instance"], 1)
            try await expect(router, "kiln_router_answers_total", ["reason": "bad-host"], 1)
            try await expect(router, "kiln_requests_total", ["function": "cold", "code": "5xx"], 1)
            try await expect(router, "kiln_request_wait_seconds_count", ["function": "cold"], 1)
            try await expect(router, "kiln_requests_total", ["function": "none", "code": "4xx"], nil)
        }
    }

    @Test func `waiting and running requests show while they do`() async throws {
        try await withRouter { router in
            let gate = DispatchSemaphore(value: 0)
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                gate.wait()
                return ok("done")
            }
            try router.route(["x": [upstream]], concurrency: 1)
            async let first = router.get("/fn/x", seconds: 60)
            try await expect(router, "kiln_requests_in_flight", ["function": "x"], 1)
            async let second = router.get("/fn/x", seconds: 60)
            try await expect(router, "kiln_requests_waiting", ["function": "x"], 1)
            gate.signal()
            gate.signal()
            #expect(try await first.status == 200)
            #expect(try await second.status == 200)
            try await expect(router, "kiln_requests_in_flight", ["function": "x"], 0)
            try await expect(router, "kiln_requests_waiting", ["function": "x"], nil)
            try await expect(router, "kiln_request_wait_seconds_count", ["function": "x"], 1)
        }
    }

    @Test func `a client that leaves before the answer is counted as such`() async throws {
        try await withRouter { router in
            let gate = DispatchSemaphore(value: 0)
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                gate.wait()
                return ok("done")
            }
            try router.route(["x": [upstream]])
            let port = router.port
            let socket = try await onThread { () -> RawSocket in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return socket
            }
            try await expect(router, "kiln_requests_in_flight", ["function": "x"], 1)
            socket.reset()
            try await expect(router, "kiln_requests_total", ["function": "x", "code": "none"], 1)
            gate.signal()
        }
    }

    @Test func `deleted functions vanish, their places go to others, and those beyond the limit share one`()
        async throws
    {
        try await withRouter(configure: { $0.limits.metricFunctions = 2 }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("hello") }
            try router.route(["a": [upstream]])
            try router.route(["a": [upstream], "b": [upstream]])
            try router.route(["a": [upstream], "b": [upstream], "c": [upstream], "d": [upstream]])
            for name in ["a", "b", "c", "d", "d"] { #expect(try await router.get("/fn/\(name)").status == 200) }
            try await expect(router, "kiln_requests_total", ["function": "b", "code": "2xx"], 1)
            try await expect(router, "kiln_requests_total", ["function": "_other", "code": "2xx"], 3)
            try await expect(router, "kiln_requests_total", ["function": "c", "code": "2xx"], nil)
            try router.route(["b": [upstream], "c": [upstream], "d": [upstream]])
            try router.route(["b": [upstream], "c": [upstream], "d": [upstream], "e": [upstream]])
            try await expect(router, "kiln_requests_total", ["function": "a", "code": "2xx"], nil)
            for _ in 0..<4 { #expect(try await router.get("/fn/e").status == 200) }
            try await expect(router, "kiln_requests_total", ["function": "e", "code": "2xx"], 4)
        }
    }

    @Test func `the text of a Router under load is what Prometheus takes`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok("hello") }
            try router.route(["a": [upstream]])
            _ = try await router.get("/fn/a")
            let text = MetricText.encode(try await router.server.metrics())
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/promtool")
            process.arguments = ["check", "metrics"]
            let (input, output) = (Pipe(), Pipe())
            process.standardInput = input
            process.standardOutput = output
            process.standardError = output
            try process.run()
            try input.fileHandleForWriting.write(contentsOf: Data(text))
            try input.fileHandleForWriting.close()
            let complaints = output.fileHandleForReading.readDataToEndOfFile()
            process.waitUntilExit()
            #expect(
                process.terminationStatus == 0 && complaints.isEmpty, "\(String(decoding: complaints, as: UTF8.self))")
        }
    }

    @Test
    func `metrics and the API's description go to the process itself, metrics under the rules of management calls`()
        async throws
    {
        let directory = NSTemporaryDirectory() + "kiln-roles-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let observer = try TestUpstream("o", path: "\(directory)/o") { ok("\($0.line) \($0["Authorization"] ?? "")") }
        let management = RouterConfiguration.Management(
            builder: .unix(path: "/x"), deployer: .unix(path: "/y"), internalToken: "inner",
            observer: observer.endpoint.address, token: "outer")
        try await withRouter(loops: 1, management: management) { router in
            #expect(try await router.get("/metrics").status == 401)
            let answer = try await router.get("/metrics", "Authorization: Bearer outer\n")
            #expect(answer.text == "GET /metrics HTTP/1.1 Bearer inner")
            #expect(try await router.get("/openapi.json").text == "GET /openapi.json HTTP/1.1 Bearer inner")
            #expect(try await router.get("/metrics/x", "Authorization: Bearer outer\n").status == 404)
        }
        try await withRouter { router in
            for path in ["/metrics", "/openapi.json"] {
                let answer = try await router.get(path)
                #expect(answer.status == 404)
            }
        }
    }
}

import Foundation
import Logging
import OTLP
import Support
import Telemetry
import Testing
import Transfer

@Suite struct SpanExporterTests {
    private func span(_ number: Int, _ change: (inout Span) -> Void = { _ in }) -> Span {
        var span = Span(
            TraceContext(trace: (0xABC, UInt64(number + 1)), span: UInt64(number + 1), isSampled: true), parent: nil,
            name: "GET /fn/f", kind: .server, start: 1_800_000_000_123_456_789, end: 1_800_000_000_123_556_789)
        change(&span)
        return span
    }

    private func exporter(
        _ queue: SpanQueue, _ url: String, _ change: (inout SpanExporter.Configuration) -> Void = { _ in }
    ) throws -> SpanExporter {
        var configuration = SpanExporter.Configuration(
            url: try #require(SpanExporter.url(url)), resource: [("service.name", "kiln-router")], version: "1")
        configuration.interval = .milliseconds(20)
        configuration.retry.firstPause = .milliseconds(20)
        change(&configuration)
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        return SpanExporter(queue, client: try HTTPClient(), configuration, logger: logger)
    }

    private func running(_ exporter: SpanExporter, _ body: () async throws -> Void) async throws {
        let task = Task { await exporter.run() }
        defer { task.cancel() }
        try await body()
    }

    private func eventually(_ what: String, _ condition: () -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < end {
            if condition() { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("not in time: \(what)")
    }

    @Test func `OpenTelemetry's own types read what is sent`() async throws {
        try await Collector.with { collector in
            let queue = SpanQueue(limit: 100)
            let exporter = try exporter(queue, collector.url) { $0.headers = [("x-token", "secret")] }
            try await running(exporter) {
                queue.append([
                    span(0) {
                        $0.parent = 0xFF
                        $0.hasRemoteParent = true
                        $0.isError = true
                        $0.note("text", "a \"b\"\n\\ é\u{7f}")
                        $0.note("number", Int.max)
                        $0.events = [.init("kiln.waiting", at: 1_800_000_000_123_456_790)]
                    },
                    span(1) { $0.kind = .client },
                ])
                try await eventually("it is taken") { queue.figures.exported == 2 }
            }
            let call = try #require(collector.calls.first)
            #expect(call.path == "/v1/traces" && call.spans.count == 2)
            let first = call.spans[0]
            #expect(first.traceId == "0000000000000abc0000000000000001" && first.spanId == "0000000000000001")
            #expect(first.parentSpanId == "00000000000000ff" && first.flags == 0x301 && first.kind == 2)
            #expect(first.start == 1_800_000_000_123_456_789 && first.end == 1_800_000_000_123_556_789)
            #expect(first.status == 2 && first.events == ["kiln.waiting"])
            #expect(first.attributes == ["text": "a \"b\"\n\\ é\u{7f}", "number": "\(Int.max)"])
            #expect(first.resource == ["service.name": "kiln-router"] && first.scope == "kiln")
            #expect(first.headers["x-token"] == "secret")
            let second = call.spans[1]
            #expect(second.parentSpanId == "" && second.kind == 3 && second.status == 0 && second.flags == 0x101)
        }
    }

    @Test(arguments: [429, 502, 503, 504])
    func `what says later is asked again, as late as it says`(status: Int) async throws {
        try await Collector.with(["\(status)", "\(status) Retry-After: 1"]) { collector in
            let queue = SpanQueue(limit: 100)
            try await running(try exporter(queue, collector.url)) {
                queue.append([span(0)])
                try await eventually("it is taken") { queue.figures.exported == 1 }
            }
            let calls = collector.calls
            #expect(calls.map(\.status) == [status, status, 200] && calls.map(\.spans.count) == [1, 1, 1])
            #expect(calls[2].at - calls[1].at >= 0.95 && calls[1].at - calls[0].at < 0.9)
            #expect(queue.figures == .init(exported: 1))
        }
    }

    @Test(arguments: [400, 401, 404, 500])
    func `what says no is not asked again`(status: Int) async throws {
        try await Collector.with(["\(status)"]) { collector in
            let queue = SpanQueue(limit: 100)
            try await running(try exporter(queue, collector.url)) {
                queue.append([span(0), span(1)])
                try await eventually("it is given up") { queue.figures.failed == 2 }
                queue.append([span(2)])
                try await eventually("the next is taken") { queue.figures.exported == 1 }
            }
            #expect(collector.calls.map(\.status) == [status, 200])
        }
    }

    @Test func `what a collector takes in part is counted in part`() async throws {
        try await Collector.with([#"200 {"partialSuccess":{"rejectedSpans":"1","errorMessage":"no"}}"#]) { collector in
            let queue = SpanQueue(limit: 100)
            try await running(try exporter(queue, collector.url)) {
                queue.append([span(0), span(1), span(2)])
                try await eventually("it is counted") { queue.figures == .init(exported: 2, failed: 1) }
            }
        }
    }

    @Test func `many spans go in calls of 512, in their order`() async throws {
        try await Collector.with { collector in
            let queue = SpanQueue(limit: 2000)
            queue.append((0..<1200).map { span($0) })
            await (try exporter(queue, collector.url)).flush(within: .seconds(10))
            #expect(collector.calls.map(\.spans.count) == [512, 512, 176])
            #expect(collector.spans.map(\.spanId) == (0..<1200).map { TraceContext.hexadecimal(UInt64($0 + 1)) })
        }
    }

    @Test func `a full batch does not wait for its time`() async throws {
        try await Collector.with { collector in
            let queue = SpanQueue(limit: 2000, batch: 512)
            try await running(try exporter(queue, collector.url) { $0.interval = .seconds(3600) }) {
                for number in 0..<512 { queue.append([span(number)]) }
                try await eventually("it is taken") { queue.figures.exported == 512 }
            }
        }
    }

    /// `--max-trace-queue`
    @Test func `what finds no room is dropped, and counted`() async throws {
        let queue = SpanQueue(limit: 3)
        queue.append([span(0), span(1)])
        queue.append([span(2), span(3)])
        queue.append([span(4)])
        queue.append([span(5)])
        #expect(queue.take(10).map(\.context.span) == [1, 2, 5] && queue.count == 0)
        #expect(queue.figures == .init(dropped: 3))
        let text = String(decoding: MetricText.encode([SpanQueue.family(queue.figures)]), as: UTF8.self)
        #expect(text.contains("kiln_trace_spans_total{outcome=\"dropped\"} 3\n"))
        #expect(text.contains("kiln_trace_spans_total{outcome=\"exported\"} 0\n"))
    }

    @Test func `a collector that is away costs what was sent to it, and the end of a process is not held up`()
        async throws
    {
        let queue = SpanQueue(limit: 100)
        let gone = try exporter(queue, "http://127.0.0.1:1") { $0.retry.attempts = 2 }
        try await running(gone) {
            queue.append([span(0)])
            try await eventually("it is given up") { queue.figures.failed == 1 }
        }
        let started = ContinuousClock.now
        // It takes connections and says nothing.
        let silent = """
            import socket, time
            s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1]); time.sleep(60)
            """
        try await withChildReady("python3", ["-uc", silent]) { port in
            queue.append([span(1)])
            await (try exporter(queue, "http://127.0.0.1:\(port)")).flush(within: .seconds(1))
        }
        #expect(started.duration(to: .now) < .seconds(10))
        #expect(queue.count == 0)
    }

    @Test(
        arguments: [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector:4318/", "http://collector:4318/v1/traces"),
            ("https://Example.com/otlp", "https://example.com/otlp/v1/traces"),
            ("https://example.com/v1/traces", "https://example.com/v1/traces"), ("127.0.0.1:4318", nil), ("", nil),
            ("ftp://a", nil), ("http://a?b", nil), ("grpc://a:4317", nil),
        ] as [(String, String?)])
    func `an endpoint is a URL of its own, or the base of one`(endpoint: String, url: String?) {
        #expect(SpanExporter.url(endpoint) == url)
    }
}

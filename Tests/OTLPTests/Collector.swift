import Foundation
import Support

/// A collector that reads what it is sent with OpenTelemetry's own types, and answers as it is told.
struct Collector: Sendable {
    /// The endpoint.
    let url: String
    private let file: String

    /// What it has read of one span.
    struct Read: Decodable {
        var traceId: String
        var spanId: String
        var parentSpanId: String
        var name: String
        var kind: Int
        var start: UInt64
        var end: UInt64
        var flags: Int
        var status: Int
        var attributes: [String: String]
        var events: [String]
        var resource: [String: String]
        var scope: String
        /// The fields of the call.
        var headers: [String: String]
    }

    /// One call, in the order in which they came: the status that it was answered with, and its spans.
    struct Call: Decodable {
        var status: Int
        var path: String
        var at: Double
        var spans: [Read]
    }

    /// The calls so far.
    var calls: [Call] {
        let text = (try? String(contentsOfFile: file, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { try? JSONDecoder().decode(Call.self, from: Data($0.utf8)) }
    }

    /// What of it was taken.
    var spans: [Read] { calls.filter { $0.status == 200 }.flatMap(\.spans) }

    /// Runs a collector beside `body`. The first calls get `answers`, each a status with fields such as `503 Retry-After: 1`, or `200` and
    /// a body; all others 200.
    static func with<Result: Sendable>(
        _ answers: [String] = [], _ body: @Sendable (Collector) async throws -> Result
    ) async throws -> Result {
        let file = "/tmp/kiln-collector-\(UInt32.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: file) }
        return try await withChildReady(
            "python3", ["-uc", script, file] + answers, environment: ["PYTHONPATH": tools]
        ) { port in
            try await body(Collector(url: "http://127.0.0.1:\(port)", file: file))
        }
    }

    /// Where OpenTelemetry's types are.
    static let tools =
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path + "/.tools/traces"

    // In OTLP's JSON ids are hexadecimal, where protobuf's own mapping has base64.
    private static let script = #"""
        import base64, json, sys, time
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
        from google.protobuf import json_format
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        file, answers = sys.argv[1], sys.argv[2:]

        def value(v):
            return str(getattr(v, v.WhichOneof("value")))

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            def log_message(self, *_): pass
            def do_POST(self):
                raw = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.headers["Content-Type"] == "application/json"
                for resource in raw["resourceSpans"]:
                    for scope in resource["scopeSpans"]:
                        for span in scope["spans"]:
                            for key, size in (("traceId", 32), ("spanId", 16), ("parentSpanId", 16)):
                                if key in span:
                                    assert len(span[key]) == size and span[key] == span[key].lower(), span
                                    span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
                            assert isinstance(span["startTimeUnixNano"], str) and isinstance(span["kind"], int)
                request = json_format.ParseDict(raw, ExportTraceServiceRequest(), ignore_unknown_fields=False)
                spans = []
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        for span in scope.spans:
                            spans.append({
                                "traceId": span.trace_id.hex(), "spanId": span.span_id.hex(),
                                "parentSpanId": span.parent_span_id.hex(), "name": span.name, "kind": span.kind,
                                "start": span.start_time_unix_nano, "end": span.end_time_unix_nano, "flags": span.flags,
                                "status": span.status.code, "events": [e.name for e in span.events],
                                "attributes": {a.key: value(a.value) for a in span.attributes},
                                "resource": {a.key: value(a.value) for a in resource.resource.attributes},
                                "scope": scope.scope.name, "headers": dict(self.headers)})
                answer = answers.pop(0) if answers else "200"
                status, _, rest = answer.partition(" ")
                with open(file, "a") as out:
                    out.write(json.dumps({"status": int(status), "path": self.path, "at": time.time(), "spans": spans}) + "\n")
                self.send_response(int(status))
                body = b"{}"
                if rest.startswith("{"): body = rest.encode()
                elif rest: self.send_header(*rest.split(": "))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        print(server.server_address[1])
        server.serve_forever()
        """#
}

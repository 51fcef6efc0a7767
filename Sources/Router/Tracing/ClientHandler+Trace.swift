import Contract
import NIOCore
import Telemetry

// Spans of requests, under the names of OpenTelemetry's conventions for HTTP (opentelemetry.io/docs/specs/semconv/http/http-spans/).
extension ClientHandler {
    /// Decides whether the present request is recorded.
    func beginTrace(_ tracing: Tracing) {
        guard let request, request.key != .role(.observer) else { return }
        let parent = Self.parent(request.head.head)
        guard tracing.samples(parent, draw: { worker.random.next() }) else { return }
        request.trace = RequestTrace(
            parent, began: request.began, start: time(of: request.began), draw: { worker.random.next() })
    }

    /// The one caller's span that a request names.
    private static func parent(_ head: borrowing Head) -> TraceContext? {
        var found: Range<Int>?
        for field in head.fields where field.name == .traceparent {
            guard found == nil else { return nil }
            found = field.value
        }
        guard let found else { return nil }
        return head.withBytes { bytes in TraceContext(bytes.part(found)) }
    }

    /// `moment`, which has passed, in nanoseconds since 1970.
    private func time(of moment: NIODeadline) -> UInt64 {
        // In this order: what comes between the two clocks must not put an end into the future.
        let wall = Tracing.now()
        return wall &- UInt64(truncatingIfNeeded: max(0, (NIODeadline.now() - moment).nanoseconds))
    }

    /// Whether anybody wants to know why a request ended as it did.
    var isDescribed: Bool { worker.settings.configuration.accessLog != nil || request?.trace != nil }

    /// `request` is over.
    func record(_ request: Request, _ trace: RequestTrace, to tracing: Tracing) {
        let end = NIODeadline.now()
        let method = Self.method(request)
        var span = Span(
            trace.context, parent: trace.parent?.span, name: "\(method.name) \(Self.route(request))", kind: .server,
            start: trace.time(request.began), end: trace.time(end))
        span.hasRemoteParent = trace.parent != nil
        span.events = trace.events
        describe(request, method, &span)
        var spans = [span]
        for (index, attempt) in trace.attempts.enumerated() {
            spans.append(attemptSpan(attempt, index, trace, method, end))
        }
        tracing.queue.append(spans)
    }

    private func describe(_ request: Request, _ method: (name: String, original: String?), _ span: inout Span) {
        let head = request.head.head
        span.note("http.request.method", method.original == nil ? method.name : "_OTHER")
        span.note("http.request.method_original", method.original)
        span.note("http.route", Self.route(request))
        span.note("url.path", Self.path(request))
        span.note("url.scheme", client.isSecure(head) ? "https" : "http")
        if let host = request.target.authority ?? request.facts.host {
            let (name, port) = Self.split(head.text(host))
            span.note("server.address", name)
            if let port { span.note("server.port", port) }
        }
        span.note("client.address", String(buffer: client.address))
        span.note("network.protocol.name", "http")
        span.note("network.protocol.version", protocolVersion(request.head))
        if request.status > 0 { span.note("http.response.status_code", request.status) }
        span.note("kiln.request_id", request.id.text(head))
        if case .function(let name, _) = request.key { span.note("kiln.function", name) }
        if let revision = request.revision { span.note("kiln.revision", revision) }
        span.note("kiln.reason", request.reason)
        if request.status == 0 { span.note("error.type", "client-gone") }
        // A client's mistake is none of the server's; a response that breaks off is.
        if request.status >= 500 || request.isBroken {
            span.isError = true
            span.note("error.type", request.reason ?? String(request.status))
        }
    }

    private func attemptSpan(
        _ attempt: RequestTrace.Attempt, _ index: Int, _ trace: RequestTrace,
        _ method: (name: String, original: String?),
        _ end: NIODeadline
    ) -> Span {
        var span = Span(
            attempt.context, parent: trace.context.span, name: method.name, kind: .client,
            start: trace.time(attempt.sent), end: trace.time(attempt.lost ?? end))
        span.note("http.request.method", method.original == nil ? method.name : "_OTHER")
        switch attempt.endpoint.address {
        case .unix(let path):
            span.note("server.address", path)
            span.note("network.transport", "unix")
        case .tcp(let host, let port):
            span.note("server.address", host)
            span.note("server.port", port)
        }
        span.note("network.protocol.version", "1.1")
        if index > 0 { span.note("http.request.resend_count", index) }
        span.note("kiln.instance", attempt.endpoint.id)
        if attempt.status > 0 { span.note("http.response.status_code", attempt.status) }
        // To whoever calls, 4xx is a failure too.
        let failure = attempt.failure ?? (attempt.status >= 400 ? String(attempt.status) : nil)
        span.note("error.type", failure)
        span.isError = failure != nil
        return span
    }

    /// `1.0`, `1.1` or `2`.
    func protocolVersion(_ head: RequestHead) -> String {
        switch client.version {
        case .http2: "2"
        case .http1: head.version == .http10 ? "1.0" : "1.1"
        }
    }

    /// The method as a span's name has it, and what it was if it is none that everybody knows.
    private static func method(_ request: Request) -> (name: String, original: String?) {
        let text = request.head.head.text(0..<request.head.methodEnd)
        return known.contains(text) ? (text, nil) : ("HTTP", text)
    }

    private static let known: Set<String> = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY",
    ]

    /// What requests have in common that are for the same.
    private static func route(_ request: Request) -> String {
        switch request.target.destination {
        case .function(let name, _, _): "/fn/\(name)"
        case .functions: "/func"
        case .functionRecord: "/func/{name}"
        case .functionVerification: "/func/{name}/verify"
        case .functionRebake: "/func/{name}/rebake"
        case .base: "/base"
        case .collection: "/gc"
        case .health, .ready, .metrics, .description, .nothing: "/"
        }
    }

    /// The path as it came, without the query: what that says is nobody else's business.
    private static func path(_ request: Request) -> String {
        var text = request.head.head.text(request.head.target)[...]
        if !text.hasPrefix("/"), let mark = text.firstRange(of: "://") {
            text = text[mark.upperBound...].drop { $0 != "/" }
        }
        return String(text.prefix { $0 != "?" }.prefix(2_000))
    }

    private static func split(_ host: String) -> (name: String, port: Int?) {
        guard let colon = host.lastIndex(of: ":"), let port = Int(host[host.index(after: colon)...]) else {
            return (host, nil)
        }
        return (String(host[..<colon]), port)
    }
}

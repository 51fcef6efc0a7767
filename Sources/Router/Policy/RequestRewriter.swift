import NIOCore
import Telemetry

/// Writes the head that an instance or a role receives from the head that the client sent.
struct RequestRewriter {
    /// Who gets it, and what differs.
    enum Audience {
        /// A function: the target without `/fn/NAME`, which becomes X-Forwarded-Prefix unless it is empty.
        case function(prefix: Range<Int>)
        /// A role of Kiln's: the target as it is, `credentials` as Authorization, one request per connection.
        case role(credentials: ByteBuffer)
    }

    let client: ClientIdentity
    let id: RequestID
    /// The trace that it belongs to, if it is recorded; otherwise what the client says of one passes untouched.
    var trace: RequestTrace?

    private static let fromAnyone = FieldNames.hopByHop.union(FieldNames([.host, .requestID, .kiln]))
    private static let fromUntrusted = fromAnyone.union(
        FieldNames([
            .xForwardedFor, .xForwardedHost, .xForwardedProto, .xForwardedOther, .forwarded, .xRealIP,
        ])
    )
    private static let fromTrusted = fromAnyone.union(FieldNames([.xForwardedFor]))
    private static let forRole = FieldNames([.authorization, .expect])

    /// Writes the head for `audience`.
    func rewrite(
        _ request: borrowing RequestHead, facts: borrowing RequestFacts, target: RequestTarget, for audience: Audience,
        into buffer: inout ByteBuffer
    ) {
        let maximum = bound(request, facts, target, audience)
        buffer.writeHead(atMost: maximum) { out in write(request, facts, target, audience, into: &out) }
    }

    /// What a head can become at most: its own bytes, of which only the host and the names in lists are written twice,
    /// and what is added.
    private func bound(
        _ request: borrowing RequestHead, _ facts: borrowing RequestFacts, _ target: RequestTarget, _ audience: Audience
    ) -> Int {
        var added = 512 + RequestID.maximumLength + (trace == nil ? 0 : TraceContext.length + 16)
        switch audience {
        case .function(let prefix): added += prefix.count
        case .role(let credentials): added += credentials.readableBytes
        }
        let host = (target.authority ?? facts.host)?.count ?? 16
        return request.head.bytes.readableBytes + 2 * host + 2 * request.head.fields.count + added
    }

    private func write(
        _ request: borrowing RequestHead, _ facts: borrowing RequestFacts, _ target: RequestTarget,
        _ audience: Audience,
        into out: inout HeadWriter
    ) {
        let head = request.head
        let host = target.authority ?? facts.host
        writeRequestLine(request.methodEnd, target.forwarded, head, into: &out)
        out.write("Host: ")
        head.withBytes { bytes in
            if let host { out.write(bytes.part(host)) } else { out.write("localhost") }
        }
        out.write("\r\n")
        var dropped = client.isTrusted ? Self.fromTrusted : Self.fromUntrusted
        if let trace {
            dropped.formUnion(FieldNames([.traceparent]))
            // What belongs to a trace that cannot be read belongs to none.
            if trace.parent == nil { dropped.formUnion(FieldNames([.tracestate])) }
        }
        switch audience {
        case .function:
            if facts.framing != .chunked { dropped.formUnion(FieldNames([.trailer])) }
            if !facts.expectsContinue { dropped.formUnion(FieldNames([.expect])) }
        case .role(let credentials):
            dropped.formUnion(Self.forRole)
            out.write("Authorization: Bearer ")
            out.write(credentials)
            out.write("\r\n")
        }
        let outer = client.isTrusted ? prefixFields(head, audience) : []
        // Seldom so: what is joined would be copied.
        let removed = outer.isEmpty ? facts.nominated : facts.nominated + outer.map(\.nameRange)
        head.copyFields(except: dropped, nominated: removed, into: &out)
        writeFraming(facts.framing, request, into: &out)
        writeConnection(facts, head, audience, into: &out)
        writeForwarded(head, host: host, audience, outer, into: &out)
        switch client.version {
        case .http1: out.write("Via: 1.1 kiln\r\nX-Request-Id: ")
        case .http2: out.write("Via: 2.0 kiln\r\nX-Request-Id: ")
        }
        id.write(into: &out, head: head)
        if let context = trace?.attempts.last?.context {
            out.write("\r\ntraceparent: ")
            for byte in context.traceparent.utf8 { out.write(byte) }
        }
        out.write("\r\n\r\n")
    }

    private func writeRequestLine(_ methodEnd: Int, _ target: Range<Int>, _ head: Head, into out: inout HeadWriter) {
        head.withBytes { bytes in
            out.write(bytes.part(0..<(methodEnd + 1)))
            if target.isEmpty || bytes[target.lowerBound] != UInt8(ascii: "/") { out.write(UInt8(ascii: "/")) }
            out.write(bytes.part(target))
        }
        out.write(" HTTP/1.1\r\n")
    }

    private func writeFraming(_ framing: BodyFraming, _ request: borrowing RequestHead, into out: inout HeadWriter) {
        switch framing {
        case .length(let length): out.writeContentLength(length)
        case .chunked: out.write("Transfer-Encoding: chunked\r\n")
        case .none, .untilClose:
            // A method that usually has a body says that it has none (RFC 9110 §8.6).
            if request.method == .post || request.method == .put { out.write("Content-Length: 0\r\n") }
        }
    }

    private func writeConnection(
        _ facts: borrowing RequestFacts,
        _ head: Head,
        _ audience: Audience,
        into out: inout HeadWriter
    ) {
        if case .role = audience { return out.write("Connection: close\r\n") }
        if let upgrade = facts.upgrade {
            out.write("Connection: Upgrade\r\nUpgrade: ")
            head.withBytes { bytes in out.write(bytes.part(upgrade)) }
            out.write("\r\n")
        } else if facts.acceptsTrailers {
            out.write("TE: trailers\r\nConnection: TE\r\n")
        }
    }

    /// What a trusted proxy says that it has taken off the path already, if more is: then there is one prefix, made of both.
    private func prefixFields(_ head: Head, _ audience: Audience) -> [Head.Field] {
        guard case .function(let prefix) = audience, !prefix.isEmpty else { return [] }
        return head.withBytes { bytes in
            head.fields.filter {
                $0.name == .xForwardedOther && bytes.part($0.nameRange).matches("x-forwarded-prefix")
            }
        }
    }

    private func writeForwarded(
        _ head: Head, host: Range<Int>?, _ audience: Audience, _ outer: [Head.Field], into out: inout HeadWriter
    ) {
        out.write("X-Forwarded-For: ")
        if client.isTrusted { head.copyList(.xForwardedFor, into: &out) }
        out.write(client.address)
        out.write("\r\n")
        head.withBytes { bytes in
            let known = client.isTrusted ? FieldNames(head.fields.map(\.name)) : FieldNames([])
            if !known.contains(.xForwardedProto) {
                switch client.scheme {
                case .http: out.write("X-Forwarded-Proto: http\r\n")
                case .https: out.write("X-Forwarded-Proto: https\r\n")
                }
            }
            if let host, !known.contains(.xForwardedHost) {
                out.write("X-Forwarded-Host: ")
                out.write(bytes.part(host))
                out.write("\r\n")
            }
            if case .function(let prefix) = audience, !prefix.isEmpty {
                out.write("X-Forwarded-Prefix: ")
                for field in outer {
                    let value = bytes.part(field.value)
                    out.write(
                        value.last == UInt8(ascii: "/") ? UnsafeRawBufferPointer(rebasing: value.dropLast()) : value)
                }
                out.write(bytes.part(prefix))
                out.write("\r\n")
            }
        }
    }
}

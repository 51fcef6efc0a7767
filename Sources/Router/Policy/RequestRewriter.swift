import NIOCore

/// Writes the head that an instance or a role receives from the head that the client sent.
struct RequestRewriter {
    /// Who gets it, and what differs.
    enum Audience {
        /// A function: the target without `/fn/NAME`, which becomes X-Forwarded-Prefix.
        case function(prefix: Range<Int>)
        /// A role of Kiln's: the target as it is, `credentials` as Authorization, one request per connection.
        case role(credentials: ByteBuffer)
    }

    let client: ClientIdentity
    let id: RequestID

    private static let fromAnyone = FieldNames.hopByHop.union(FieldNames([.host, .requestID, .kiln]))
    private static let fromUntrusted = fromAnyone.union(
        FieldNames([
            .xForwardedFor, .xForwardedHost, .xForwardedProto, .xForwardedOther, .forwarded, .xRealIP,
        ])
    )
    private static let fromTrusted = fromAnyone.union(FieldNames([.xForwardedFor]))
    private static let forRole = FieldNames([.authorization, .expect])

    /// The head for `audience`.
    func rewrite(
        _ request: borrowing RequestHead,
        facts: borrowing RequestFacts,
        target: RequestTarget,
        for audience: Audience,
        into out: inout ByteBuffer
    ) {
        let head = request.head
        out.reserveCapacity(minimumWritableBytes: head.bytes.readableBytes + 384)
        let host = target.authority ?? facts.host
        writeRequestLine(request.methodEnd, target.forwarded, head, into: &out)
        out.writeStaticString("Host: ")
        head.withBytes { bytes in
            _ = if let host { out.writeBytes(bytes.part(host)) } else { out.writeStaticString("localhost") }
        }
        out.writeStaticString("\r\n")
        var dropped = client.isTrusted ? Self.fromTrusted : Self.fromUntrusted
        switch audience {
        case .function:
            if facts.framing != .chunked { dropped.formUnion(FieldNames([.trailer])) }
            if !facts.expectsContinue { dropped.formUnion(FieldNames([.expect])) }
        case .role(let credentials):
            dropped.formUnion(Self.forRole)
            out.writeStaticString("Authorization: Bearer ")
            out.writeImmutableBuffer(credentials)
            out.writeStaticString("\r\n")
        }
        head.copyFields(except: dropped, nominated: facts.nominated, into: &out)
        writeFraming(facts.framing, request, into: &out)
        writeConnection(facts, head, audience, into: &out)
        writeForwarded(head, host: host, audience, into: &out)
        out.writeStaticString("Via: 1.1 kiln\r\nX-Request-Id: ")
        id.write(into: &out, head: head)
        out.writeStaticString("\r\n\r\n")
    }

    private func writeRequestLine(_ methodEnd: Int, _ target: Range<Int>, _ head: Head, into out: inout ByteBuffer) {
        head.withBytes { bytes in
            out.writeBytes(bytes.part(0..<(methodEnd + 1)))
            if target.isEmpty || bytes[target.lowerBound] != UInt8(ascii: "/") { out.writeInteger(UInt8(ascii: "/")) }
            out.writeBytes(bytes.part(target))
        }
        out.writeStaticString(" HTTP/1.1\r\n")
    }

    private func writeFraming(_ framing: BodyFraming, _ request: borrowing RequestHead, into out: inout ByteBuffer) {
        switch framing {
        case .length(let length): out.writeContentLength(length)
        case .chunked: out.writeStaticString("Transfer-Encoding: chunked\r\n")
        case .none, .untilClose:
            // A method that usually has a body says that it has none (RFC 9110 §8.6).
            if request.method == .post || request.method == .put { out.writeStaticString("Content-Length: 0\r\n") }
        }
    }

    private func writeConnection(
        _ facts: borrowing RequestFacts,
        _ head: Head,
        _ audience: Audience,
        into out: inout ByteBuffer
    ) {
        if case .role = audience { return _ = out.writeStaticString("Connection: close\r\n") }
        if let upgrade = facts.upgrade {
            out.writeStaticString("Connection: Upgrade\r\nUpgrade: ")
            head.withBytes { bytes in _ = out.writeBytes(bytes.part(upgrade)) }
            out.writeStaticString("\r\n")
        } else if facts.acceptsTrailers {
            out.writeStaticString("TE: trailers\r\nConnection: TE\r\n")
        }
    }

    private func writeForwarded(_ head: Head, host: Range<Int>?, _ audience: Audience, into out: inout ByteBuffer) {
        out.writeStaticString("X-Forwarded-For: ")
        if client.isTrusted { head.copyList(.xForwardedFor, into: &out) }
        out.writeImmutableBuffer(client.address)
        out.writeStaticString("\r\n")
        head.withBytes { bytes in
            let known = client.isTrusted ? FieldNames(head.fields.map(\.name)) : FieldNames([])
            if !known.contains(.xForwardedProto) { out.writeStaticString("X-Forwarded-Proto: http\r\n") }
            if let host, !known.contains(.xForwardedHost) {
                out.writeStaticString("X-Forwarded-Host: ")
                out.writeBytes(bytes.part(host))
                out.writeStaticString("\r\n")
            }
            if case .function(let prefix) = audience {
                out.writeStaticString("X-Forwarded-Prefix: ")
                out.writeBytes(bytes.part(prefix))
                out.writeStaticString("\r\n")
            }
        }
    }
}

extension ByteBuffer {
    /// Writes a Content-Length field.
    mutating func writeContentLength(_ length: Int) {
        writeStaticString("Content-Length: ")
        writeDecimal(length)
        writeStaticString("\r\n")
    }

    /// Writes a number that is not negative, in decimal.
    mutating func writeDecimal(_ value: Int) {
        guard value > 9 else { return _ = writeInteger(UInt8(truncatingIfNeeded: 0x30 + value)) }
        writeDecimal(value / 10)
        writeInteger(UInt8(truncatingIfNeeded: 0x30 + value % 10))
    }
}

import NIOCore

/// The head of a response: its status line and fields (RFC 9112 §4).
struct ResponseHead {
    /// Bytes and fields.
    var head: Head
    /// The status code, 100 to 999.
    let status: Int
    /// Where the reason phrase is; often empty.
    let reason: Range<Int>
    /// The version the peer speaks.
    let version: RequestHead.Version

    /// Parses a complete head, as ``HeadScanner`` delimits it; `fields` lends its storage.
    init(_ bytes: ByteBuffer, reusing fields: [Head.Field] = []) throws(SyntaxError) {
        var head = Head(bytes: bytes, fields: fields)
        head.fields.removeAll(keepingCapacity: true)
        var parsed = head.fields
        let line = try head.withBytes { (bytes) throws(SyntaxError) in
            let line = try Self.parseLine(bytes)
            try Head.parseFields(bytes, from: line.end, into: &parsed)
            return line
        }
        head.fields = parsed
        self.head = head
        status = line.status
        reason = line.reason
        version = line.version
    }

    private struct Line {
        let status: Int
        let reason: Range<Int>
        let version: RequestHead.Version
        let end: Int
    }

    private static func parseLine(_ bytes: UnsafeRawBufferPointer) throws(SyntaxError) -> Line {
        let version = try RequestHead.parseVersion(bytes, at: 0)
        guard bytes.count > 14, bytes[8] == ASCII.space else { throw .malformedStartLine }
        var status = 0
        for index in 9..<12 {
            guard ASCII.isDigit(bytes[index]) else { throw .malformedStartLine }
            status = status * 10 + Int(bytes[index] - 0x30)
        }
        guard status >= 100 else { throw .malformedStartLine }
        // The space before an empty reason phrase is required, but often missing.
        var position = 12
        if bytes[position] == ASCII.space {
            position += 1
        } else if bytes[position] != ASCII.carriageReturn {
            throw .malformedStartLine
        }
        let start = position
        while ASCII.isFieldValue(bytes[position]) { position += 1 }
        guard bytes[position] == ASCII.carriageReturn, bytes[position + 1] == ASCII.lineFeed else {
            throw .malformedStartLine
        }
        return Line(status: status, reason: start..<position, version: version, end: position + 2)
    }
}

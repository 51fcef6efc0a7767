import NIOCore

/// The head of a request: its request line and fields (RFC 9112 §3).
struct RequestHead {
    /// The methods that the Router treats differently from the rest.
    enum Method: UInt8 { case get, head, post, put, delete, options, trace, connect, other }

    /// The minor version of HTTP/1.
    enum Version: UInt8 { case http10, http11 }

    /// Bytes and fields.
    var head: Head
    /// The method.
    let method: Method
    /// Where the method's name ends; it begins at 0.
    let methodEnd: Int
    /// Where the request target is.
    let target: Range<Int>
    /// The version.
    let version: Version

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
        method = line.method
        methodEnd = line.methodEnd
        target = line.target
        version = line.version
    }

    private struct Line {
        let method: Method
        let methodEnd: Int
        let target: Range<Int>
        let version: Version
        let end: Int
    }

    private static func parseLine(_ bytes: UnsafeRawBufferPointer) throws(SyntaxError) -> Line {
        var position = 0
        while ASCII.isToken(bytes[position]) { position += 1 }
        guard position > 0, position <= 32, bytes[position] == ASCII.space else { throw .malformedStartLine }
        let methodEnd = position
        position += 1
        let targetStart = position
        while ASCII.isTarget(bytes[position]) { position += 1 }
        guard position > targetStart, bytes[position] == ASCII.space else { throw .malformedStartLine }
        let targetEnd = position
        position += 1
        let version: Version
        do throws(SyntaxError) {
            version = try parseVersion(bytes, at: position)
        } catch {
            throw bytes.elementsEqual(http2Preface.utf8) ? .http2Preface : error
        }
        position += 8
        guard bytes[position] == ASCII.carriageReturn, bytes[position + 1] == ASCII.lineFeed else {
            throw .malformedStartLine
        }
        return Line(
            method: Method(bytes.part(0..<methodEnd)),
            methodEnd: methodEnd,
            target: targetStart..<targetEnd,
            version: version,
            end: position + 2
        )
    }

    /// What a connection that speaks HTTP/2 begins with looks like a head, so that HTTP/1 refuses it (RFC 9113, 3.4).
    static let http2Preface = "PRI * HTTP/2.0\r\n\r\n"

    /// `HTTP/1.0` or `HTTP/1.1`; another well-formed version is named as what it is.
    static func parseVersion(_ bytes: UnsafeRawBufferPointer, at position: Int) throws(SyntaxError) -> Version {
        // The shortest rest of a head after the version is CR LF CR LF, so 8 bytes are safe to read when 12 are there.
        guard position + 8 <= bytes.count else { throw .malformedStartLine }
        let prefix = StaticString("HTTP/")
        for index in 0..<5 where bytes[position + index] != prefix.utf8Start[index] { throw .malformedStartLine }
        let (major, dot, minor) = (bytes[position + 5], bytes[position + 6], bytes[position + 7])
        guard ASCII.isDigit(major), dot == UInt8(ascii: "."), ASCII.isDigit(minor) else { throw .malformedStartLine }
        guard major == UInt8(ascii: "1") else { throw .unsupportedVersion }
        switch minor {
        case UInt8(ascii: "1"): return .http11
        case UInt8(ascii: "0"): return .http10
        default: throw .unsupportedVersion
        }
    }
}

extension RequestHead.Method {
    /// Methods are case-sensitive (RFC 9110 §9.1).
    init(_ bytes: UnsafeRawBufferPointer) {
        func equals(_ text: StaticString) -> Bool {
            for index in 0..<bytes.count where bytes[index] != text.utf8Start[index] { return false }
            return true
        }
        switch bytes.count {
        case 3: self = equals("GET") ? .get : equals("PUT") ? .put : .other
        case 4: self = equals("POST") ? .post : equals("HEAD") ? .head : .other
        case 5: self = equals("TRACE") ? .trace : .other
        case 6: self = equals("DELETE") ? .delete : .other
        case 7: self = equals("OPTIONS") ? .options : equals("CONNECT") ? .connect : .other
        default: self = .other
        }
    }

    /// Whether a second sending has the effect of one (RFC 9110 §9.2.2).
    var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .connect, .other: false
        }
    }
}

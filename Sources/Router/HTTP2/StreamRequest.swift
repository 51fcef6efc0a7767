import NIOCore
import NIOHPACK

/// A request as it came over HTTP/2, written as the head that it has in HTTP/1.1: that is what the Router's policy is about, and it is
/// parsed and judged like any other.
///
/// What HTTP/1.1 would read in another way than HTTP/2 is refused here (RFC 9113, 8.2 and 8.3): a field cannot become two, a length is what
/// the frames say, and nothing speaks of the connection.
struct StreamRequest {
    /// How its body goes on.
    enum Body { case none, length, chunked }

    /// What makes a request malformed.
    enum Fault: String, Error {
        case pseudoField = "a pseudo-field that is missing, doubled, late, unknown or not well-formed"
        case fieldName = "a field name that is no token in lower case"
        case fieldValue = "a field value with control characters, blanks around it, or bytes that are no UTF-8"
        case connectionField = "a field that speaks of the connection"
        case authority = ":authority and Host differ, or there are several"
        case length = "a length that is doubled or not that of the body"
    }

    let head: ByteBuffer
    let method: RequestHead.Method
    let body: Body

    /// Reads `headers`; `ends`: there is no body.
    init(_ headers: HPACKHeaders, ends: Bool) throws(Fault) {
        var start = StartLine()
        var fields = Fields()
        for (name, value, _) in headers {
            guard Self.isValue(value) else { throw .fieldValue }
            if name.utf8.first == ASCII.colon {
                guard fields.isEmpty else { throw .pseudoField }
                try start.add(name, value)
            } else {
                try fields.add(name, value)
            }
        }
        let target = try start.target()
        if let authority = start.authority, let host = fields.host, authority.lowercased() != host.lowercased() {
            throw .authority
        }
        var head = ByteBuffer()
        head.writeString("\(start.method ?? "") \(target) HTTP/1.1\r\n")
        // An empty authority is none: whether a request may be without is for the policy to say.
        if let host = start.authority ?? fields.host { head.writeString("host: \(host)\r\n") }
        head.writeImmutableBuffer(fields.lines)
        if !fields.cookies.isEmpty { head.writeString("cookie: \(fields.cookies.joined(separator: "; "))\r\n") }
        if let length = fields.length {
            guard !ends || length == 0 else { throw .length }
            head.writeString("content-length: \(length)\r\n")
            body = length > 0 ? .length : .none
        } else if !ends {
            head.writeStaticString("transfer-encoding: chunked\r\n")
            body = .chunked
        } else {
            body = .none
        }
        // A stream has one request; whatever else is said of the connection, it does not say.
        head.writeStaticString("connection: close\r\n\r\n")
        self.head = head
        method = Array((start.method ?? "").utf8).withUnsafeBytes { RequestHead.Method($0) }
    }

    /// The end of a chunked body with `trailers`.
    static func end(_ trailers: HPACKHeaders) throws(Fault) -> ByteBuffer {
        var fields = Fields()
        for (name, value, _) in trailers {
            guard isValue(value) else { throw .fieldValue }
            guard name.utf8.first != ASCII.colon else { throw .pseudoField }
            try fields.add(name, value)
        }
        var end = ByteBuffer(string: "0\r\n")
        end.writeImmutableBuffer(fields.lines)
        end.writeStaticString("\r\n")
        return end
    }

    /// Bytes that are no UTF-8 have been replaced by the time that they are here; to pass the replacement on would change them.
    private static func isValue(_ value: String) -> Bool {
        guard value.utf8.allSatisfy(ASCII.isFieldValue) else { return false }
        if let first = value.utf8.first, let last = value.utf8.last, ASCII.isBlank(first) || ASCII.isBlank(last) {
            return false
        }
        return !value.utf8.contains(0xEF) || !value.unicodeScalars.contains("\u{FFFD}")
    }
}

extension StreamRequest {
    /// What the pseudo-fields say.
    private struct StartLine {
        var method: String?
        var scheme: String?
        var path: String?
        var authority: String?

        mutating func add(_ name: String, _ value: String) throws(Fault) {
            func set(_ field: inout String?) throws(Fault) {
                guard field == nil else { throw .pseudoField }
                field = value
            }
            switch name {
            case ":method": try set(&method)
            case ":scheme": try set(&scheme)
            case ":path": try set(&path)
            case ":authority": try set(&authority)
            default: throw .pseudoField
            }
        }

        /// The request target that HTTP/1.1 has in their place.
        mutating func target() throws(Fault) -> String {
            guard let method, !method.isEmpty, method.utf8.allSatisfy(ASCII.isToken) else { throw .pseudoField }
            if authority?.isEmpty == true { authority = nil }
            if method == "CONNECT" {
                guard scheme == nil, path == nil, let authority, authority.utf8.allSatisfy(ASCII.isTarget) else {
                    throw .pseudoField
                }
                return authority
            }
            guard let path, let scheme = scheme?.lowercased(), scheme == "http" || scheme == "https" else {
                throw .pseudoField
            }
            guard path.utf8.first == UInt8(ascii: "/") || (path == "*" && method == "OPTIONS"),
                path.utf8.allSatisfy(ASCII.isTarget)
            else { throw .pseudoField }
            return path
        }
    }

    /// The other fields, as lines.
    private struct Fields {
        var lines = ByteBuffer()
        var isEmpty = true
        var host: String?
        var length: Int?
        var cookies: [String] = []

        mutating func add(_ name: String, _ value: String) throws(Fault) {
            isEmpty = false
            guard !name.isEmpty, name.utf8.allSatisfy({ ASCII.isToken($0) && ASCII.lower($0) == $0 }) else {
                throw .fieldName
            }
            switch name {
            case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade": throw .connectionField
            case "te": guard value == "trailers" else { throw .connectionField }
            case "host":
                guard host == nil else { throw .authority }
                host = value
                return
            case "content-length":
                guard length == nil, let number = Array(value.utf8).withUnsafeBytes({ Framing.contentLength($0) })
                else {
                    throw .length
                }
                length = number
                return
            case "cookie":
                // Sent in crumbs, for the sake of compression (RFC 9113, 8.2.3).
                cookies.append(value)
                return
            default: break
            }
            lines.writeString("\(name): \(value)\r\n")
        }
    }
}

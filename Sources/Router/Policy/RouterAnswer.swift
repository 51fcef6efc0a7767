import Contract
import FoundationEssentials
import NIOCore

/// A response that the Router makes itself.
struct RouterAnswer {
    /// The status code.
    var status: Int
    /// The media type of the body.
    var mediaType: String
    /// The body.
    var body: [UInt8]
    /// The value of X-Kiln-Reason.
    var reason: String?
    /// More field lines, each with its CR LF.
    var fields = ""

    /// `status` with a line of plain text, for probes.
    init(status: Int, text: String) {
        self.status = status
        mediaType = "text/plain; charset=utf-8"
        body = Array("\(text)\n".utf8)
    }

    /// Nothing but `fields`.
    init(fields: String) {
        status = 204
        mediaType = ""
        body = []
        self.fields = fields
    }

    /// What functions may take.
    static let allMethods = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

    /// The problem that `reason` stands for; `allow` are the methods that a 405 names.
    init(_ reason: Reason, detail: String? = nil, requestID: String?, allow: String = Self.allMethods) {
        var problem = reason.problem(detail)
        problem.requestId = requestID
        if problem.status == 405 { problem.allow = allow }
        status = problem.status
        mediaType = Problem.mediaType
        self.reason = reason.rawValue
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // A struct of strings and numbers always encodes; should it not, the status still says what matters.
        body = (try? encoder.encode(problem)).map { Array($0) } ?? []
        if let seconds = problem.retryAfter { fields += "Retry-After: \(seconds)\r\n" }
        if let methods = problem.allow { fields += "Allow: \(methods)\r\n" }
        if status == 401 { fields += "WWW-Authenticate: Bearer realm=\"kiln\"\r\n" }
    }

    /// Writes head and body; no body in answer to HEAD.
    func write(
        id: String?,
        date: ByteBuffer,
        connection: ResponseRewriter.Connection,
        omittingBody: Bool,
        into out: inout ByteBuffer
    ) {
        out.writeString("HTTP/1.1 \(status) \(Self.phrase(status))\r\n")
        out.writeStaticString("Server: kiln-router\r\n")
        out.writeImmutableBuffer(date)
        // RFC 9110 §8.6: no Content-Length in a 204.
        if status != 204 {
            out.writeString("Content-Type: \(mediaType)\r\n")
            out.writeString("Content-Length: \(body.count)\r\n")
        }
        out.writeStaticString("Cache-Control: no-store\r\n")
        if let reason { out.writeString("X-Kiln-Reason: \(reason)\r\n") }
        if let id { out.writeString("X-Request-Id: \(id)\r\n") }
        out.writeString(fields)
        switch connection {
        case .close: out.writeStaticString("Connection: close\r\n")
        case .keepAlive: out.writeStaticString("Connection: keep-alive\r\n")
        case .implied, .upgrade: break
        }
        out.writeStaticString("\r\n")
        if !omittingBody { out.writeBytes(body) }
    }

    private static func phrase(_ status: Int) -> String {
        switch status {
        case 200: "OK"
        case 204: "No Content"
        case 400: "Bad Request"
        case 401: "Unauthorized"
        case 403: "Forbidden"
        case 404: "Not Found"
        case 405: "Method Not Allowed"
        case 408: "Request Timeout"
        case 413: "Content Too Large"
        case 414: "URI Too Long"
        case 417: "Expectation Failed"
        case 429: "Too Many Requests"
        case 431: "Request Header Fields Too Large"
        case 501: "Not Implemented"
        case 502: "Bad Gateway"
        case 503: "Service Unavailable"
        case 504: "Gateway Timeout"
        case 505: "HTTP Version Not Supported"
        default: ""
        }
    }
}

/// What a response's fields say to the Router, checked.
struct ResponseFacts {
    /// How its body is framed on this connection (RFC 9112 §6.3).
    var framing = BodyFraming.none
    /// The value of Content-Length: also where there is no body, after HEAD and in a 304.
    var contentLength: Int?
    /// Whether the connection can be used again after it.
    var persistent = true
    /// The protocol that a 101 switches to.
    var upgrade: Range<Int>?
    /// Names of fields that Connection declares to be meant for this hop only.
    var nominated: [Range<Int>] = []
    /// Whether it says when it was made.
    var hasDate = false

    /// Reads the fields of `response`, the answer to a request with `method`.
    ///
    /// Two ways of framing, or one of them twice, are refused: a client that takes the other would see another
    /// response.
    init(_ response: borrowing ResponseHead, answering method: RequestHead.Method) throws(SyntaxError) {
        let head = response.head
        let version = response.version
        var facts = Self()
        var options = ConnectionOptions()
        var chunked = false
        try head.withBytes { (bytes) throws(SyntaxError) in
            for field in head.fields where field.name != .other {
                let value = bytes.part(field.value)
                switch field.name {
                case .contentLength:
                    guard facts.contentLength == nil, let length = Framing.contentLength(value) else {
                        throw .malformedFraming
                    }
                    facts.contentLength = length
                case .transferEncoding:
                    guard !chunked, version == .http11 else { throw .malformedFraming }
                    guard value.matches("chunked") else { throw .unsupportedTransferCoding }
                    chunked = true
                case .connection:
                    do { try options.add(value, at: field.value.lowerBound) } catch { throw .malformedFieldValue }
                case .upgrade: facts.upgrade = field.value
                case .date: facts.hasDate = true
                default: break
                }
            }
        }
        guard facts.contentLength == nil || !chunked else { throw .malformedFraming }
        if !options.upgrade { facts.upgrade = nil }
        facts.persistent = version == .http11 ? !options.close : options.keepAlive && !options.close
        facts.nominated = options.nominated
        facts.framing = Self.framing(facts.contentLength, chunked, status: response.status, answering: method)
        if facts.framing == .untilClose { facts.persistent = false }
        self = facts
    }

    private init() {}

    private static func framing(
        _ length: Int?,
        _ chunked: Bool,
        status: Int,
        answering method: RequestHead.Method
    ) -> BodyFraming {
        if method == .head || status < 200 || status == 204 || status == 304 { return .none }
        if chunked { return .chunked }
        return length.map { $0 == 0 ? .none : .length($0) } ?? .untilClose
    }
}

/// What both directions share.
enum Framing {
    /// The value of Content-Length: digits only, up to 18 of them; no sign, no list, no blanks inside.
    static func contentLength(_ value: UnsafeRawBufferPointer) -> Int? {
        guard !value.isEmpty, value.count <= 18 else { return nil }
        var length = 0
        for byte in value {
            guard ASCII.isDigit(byte) else { return nil }
            length = length * 10 + Int(byte - 0x30)
        }
        return length
    }
}

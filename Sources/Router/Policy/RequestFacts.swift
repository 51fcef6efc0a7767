/// What a request's fields say to the Router, checked.
struct RequestFacts {
    /// How its body is framed.
    var framing = BodyFraming.none
    /// The value of Host; absent only in HTTP/1.0.
    var host: Range<Int>?
    /// Whether the client keeps the connection open for another request.
    var persistent = true
    /// The one protocol that the client wants to switch to and that can be tunnelled.
    var upgrade: Range<Int>?
    /// Whether the client waits for `100 Continue` before it sends the body.
    var expectsContinue = false
    /// Whether the client says that it keeps trailers.
    var acceptsTrailers = false
    /// Names of fields that Connection declares to be meant for the next hop only.
    var nominated: [Range<Int>] = []

    /// Reads the fields of `request`, or says why it is refused.
    ///
    /// RFC 9112 §6.1 and §6.3 leave a server room to repair ambiguous framing; every such repair has been used for
    /// smuggling somewhere, so there is none here.
    init(_ request: borrowing RequestHead) throws(Reason) {
        let version = request.version
        let head = request.head
        var options = ConnectionOptions()
        var contentLength: Int?
        var chunked = false
        var upgradeFields = 0
        var facts = Self(persistent: version == .http11)
        try head.withBytes { (bytes) throws(Reason) in
            for field in head.fields where field.name != .other {
                let value = bytes.part(field.value)
                switch field.name {
                case .host:
                    guard facts.host == nil, Self.isPlain(field, bytes), HostName.isWellFormed(value) else {
                        throw .badHost
                    }
                    facts.host = field.value
                case .contentLength:
                    guard contentLength == nil, Self.isPlain(field, bytes), let length = Framing.contentLength(value)
                    else { throw .badFraming }
                    contentLength = length
                case .transferEncoding:
                    guard !chunked, version == .http11, Self.isPlain(field, bytes) else { throw .badFraming }
                    try Self.checkTransferEncoding(value)
                    chunked = true
                case .connection:
                    try options.add(value, at: field.value.lowerBound)
                case .upgrade:
                    upgradeFields += 1
                    facts.upgrade = Self.isTunnelled(value) ? field.value : nil
                case .expect:
                    guard value.matches("100-continue") else { throw .expectationFailed }
                    facts.expectsContinue = true
                case .te:
                    value.forEachListElement { element in
                        if element.matches("trailers") { facts.acceptsTrailers = true }
                    }
                default: break
                }
            }
        }
        guard contentLength == nil || !chunked else { throw .badFraming }
        guard facts.host != nil || version == .http10 else { throw .badHost }
        if chunked {
            facts.framing = .chunked
        } else if let contentLength, contentLength > 0 {
            facts.framing = .length(contentLength)
        }
        if options.close { facts.persistent = false } else if options.keepAlive { facts.persistent = true }
        if !options.upgrade || upgradeFields != 1 || version == .http10 || facts.framing != .none {
            facts.upgrade = nil
        }
        // An expectation without a body, or from HTTP/1.0, is to be ignored (RFC 9110 §10.1.1).
        if facts.framing == .none || version == .http10 { facts.expectsContinue = false }
        facts.nominated = options.nominated
        self = facts
    }

    private init(persistent: Bool) { self.persistent = persistent }

    /// Whether no tab stands beside the value: it would be legal (RFC 9110 §5.5), but there are servers that take it for a part of the
    /// value, as nginx does.
    private static func isPlain(_ field: Head.Field, _ bytes: UnsafeRawBufferPointer) -> Bool {
        var end = Int(field.valueEnd)
        while ASCII.isBlank(bytes[end]) { end += 1 }
        return !bytes.part(Int(field.nameEnd)..<Int(field.valueStart)).contains(ASCII.tab)
            && !bytes.part(Int(field.valueEnd)..<end).contains(ASCII.tab)
    }

    private static func checkTransferEncoding(_ value: UnsafeRawBufferPointer) throws(Reason) {
        if value.matches("chunked") { return }
        // Codings that end in chunked are legal, but not understood here; anything else leaves the length unknown.
        var last = false
        var count = 0
        value.forEachListElement { element in
            if !element.isEmpty { count += 1 }
            last = element.matches("chunked")
        }
        throw last && count > 1 ? .unsupportedTransferCoding : .badFraming
    }

    /// One protocol name (RFC 9110 §7.8), and none that changes what HTTP means on this connection: `h2c` is ignored,
    /// as a server may.
    private static func isTunnelled(_ value: UnsafeRawBufferPointer) -> Bool {
        guard !value.isEmpty else { return false }
        for byte in value where !ASCII.isToken(byte) && byte != UInt8(ascii: "/") { return false }
        return
            !(value.matches("h2c") || value.matches("h2") || value.starts(with: "http/") || value.starts(with: "tls"))
    }
}

/// The options of the Connection fields of a message (RFC 9110 §7.6.1).
struct ConnectionOptions {
    var close = false
    var keepAlive = false
    var upgrade = false
    /// Names of fields for this connection only, beyond those that always are.
    var nominated: [Range<Int>] = []

    /// Reads one field's value, which begins at `offset` of the head.
    mutating func add(_ value: UnsafeRawBufferPointer, at offset: Int) throws(Reason) {
        if value.matches("keep-alive") { return keepAlive = true }
        if value.matches("close") { return close = true }
        try value.forEachListElement { (element) throws(Reason) in
            if element.isEmpty { return }
            if element.matches("close") { return close = true }
            if element.matches("keep-alive") { return keepAlive = true }
            if element.matches("upgrade") { return upgrade = true }
            let name = FieldName(element)
            if FieldNames.hopByHop.contains(name), name != .contentLength { return }
            // Removing these would change what the request means or where it comes from.
            guard !Self.protected.contains(name) else { throw .badConnectionOption }
            guard nominated.count < 16 else { throw .badConnectionOption }
            guard let base = value.baseAddress, let start = element.baseAddress else { return }
            let position = offset + (start - base)
            nominated.append(position..<(position + element.count))
        }
    }

    private static let protected = FieldNames([
        .host, .contentLength, .authorization, .origin, .secFetch, .expect, .forwarded, .xForwardedFor, .xForwardedHost,
        .xForwardedProto, .xForwardedOther, .xRealIP, .requestID, .kiln,
    ])
}

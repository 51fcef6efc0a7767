/// The host of a request: `uri-host [":" port]` (RFC 9110 §7.2, RFC 3986 §3.2.2).
enum HostName {
    /// Whether `value` is well-formed: a registered name or IPv4 address of the usual characters, or an IPv6 literal in
    /// brackets, and a port of digits. User information, lists and blanks are not; nor is an empty host.
    static func isWellFormed(_ value: UnsafeRawBufferPointer) -> Bool { split(value) != nil }

    /// The host without its port, and without brackets around an IPv6 literal; `nil` when the value is not well-formed.
    static func split(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let first = value.first, value.count <= 300 else { return nil }
        var end = 0
        let host: UnsafeRawBufferPointer
        if first == UInt8(ascii: "[") {
            end = 1
            while end < value.count, isLiteral(value[end]) { end += 1 }
            guard end > 1, end < value.count, value[end] == UInt8(ascii: "]") else { return nil }
            host = value.part(1..<end)
            end += 1
        } else {
            while end < value.count, isName(value[end]) { end += 1 }
            guard end > 0 else { return nil }
            host = value.part(0..<end)
        }
        guard end < value.count else { return host }
        guard value[end] == ASCII.colon, value.count - end <= 6 else { return nil }
        for index in (end + 1)..<value.count where !ASCII.isDigit(value[index]) { return nil }
        return host
    }

    /// Whether a host, as ``split(_:)`` returns it, means this machine: `localhost`, a name below it, 127.0.0.0/8 or
    /// ::1.
    static func isLoopback(_ host: UnsafeRawBufferPointer) -> Bool {
        if host.matches("localhost") || host.matches("localhost.") || host.matches("::1") { return true }
        if host.count > 10, host.part((host.count - 10)..<host.count).matches(".localhost") { return true }
        guard host.starts(with: "127.") else { return false }
        var octets = 1
        var digits = 0
        var value = 0
        for byte in host {
            if byte == UInt8(ascii: ".") {
                guard digits > 0 else { return false }
                octets += 1
                digits = 0
                value = 0
            } else {
                guard ASCII.isDigit(byte) else { return false }
                digits += 1
                value = value * 10 + Int(byte - 0x30)
                guard value <= 255, digits <= 3 else { return false }
            }
        }
        return octets == 4 && digits > 0
    }

    private static func isLiteral(_ byte: UInt8) -> Bool {
        ASCII.hexadecimal(byte) != nil || byte == ASCII.colon || byte == UInt8(ascii: ".")
    }

    /// unreserved / pct-encoded / sub-delims, without the comma, which would make a list.
    private static func isName(_ byte: UInt8) -> Bool {
        if ASCII.isDigit(byte) || ASCII.lower(byte) &- 0x61 < 26 { return true }
        switch byte {
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "%"),
            UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ";"), UInt8(ascii: "="):
            return true
        default: return false
        }
    }
}

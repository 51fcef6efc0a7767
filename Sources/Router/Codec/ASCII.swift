/// The byte classes of HTTP/1.1 (RFC 9110 §5.6.2, RFC 9112).
enum ASCII {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let colon: UInt8 = 0x3A

    /// Whether `byte` may stand in a token: a method, a field name, a protocol name.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        if byte < 64 { return (0x03FF_6CFA_0000_0000 as UInt64) & (1 << UInt64(byte)) != 0 }
        if byte < 128 { return (0x57FF_FFFF_C7FF_FFFE as UInt64) & (1 << UInt64(byte - 64)) != 0 }
        return false
    }

    /// Whether `byte` may stand in a field value: visible, space, tab, or obs-text, which is passed on as it is.
    @inline(__always)
    static func isFieldValue(_ byte: UInt8) -> Bool { (byte >= 0x20 && byte != 0x7F) || byte == tab }

    /// Whether `byte` may stand in a request target. Bytes from 0x80 are passed on: `curl` sends UTF-8 as typed.
    @inline(__always)
    static func isTarget(_ byte: UInt8) -> Bool { byte > 0x20 && byte != 0x7F && byte != UInt8(ascii: "#") }

    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    @inline(__always)
    static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    @inline(__always)
    static func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// The value of a hexadecimal digit.
    @inline(__always)
    static func hexadecimal(_ byte: UInt8) -> UInt8? {
        if isDigit(byte) { return byte - 0x30 }
        let letter = lower(byte)
        return letter &- 0x61 < 6 ? letter - 0x61 + 10 : nil
    }
}

extension UnsafeRawBufferPointer {
    /// Whether the bytes are `text`, in lower case, ignoring the case of these bytes.
    @inline(__always)
    func matches(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        let other = text.utf8Start
        for index in 0..<count where ASCII.lower(self[index]) != other[index] { return false }
        return true
    }

    /// Whether the bytes begin with `text`, in lower case, ignoring the case of these bytes.
    @inline(__always)
    func starts(with text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount else { return false }
        let other = text.utf8Start
        for index in 0..<text.utf8CodeUnitCount where ASCII.lower(self[index]) != other[index] { return false }
        return true
    }

    /// The bytes of `range`, which counts from the start of these.
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: self[range]) }

    /// The bytes without spaces and tabs at either end.
    func trimmed() -> UnsafeRawBufferPointer {
        var start = 0
        var end = count
        while start < end, ASCII.isBlank(self[start]) { start += 1 }
        while end > start, ASCII.isBlank(self[end - 1]) { end -= 1 }
        return part(start..<end)
    }

    /// Calls `body` with each element of a comma-separated list, without blanks around it; empty elements too.
    func forEachListElement<Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Void
    ) throws(Failure) {
        var start = 0
        for index in 0...count where index == count || self[index] == UInt8(ascii: ",") {
            try body(part(start..<index).trimmed())
            start = index + 1
        }
    }
}

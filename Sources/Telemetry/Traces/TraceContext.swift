/// Which trace a request belongs to: the field `traceparent` (W3C Trace Context, 3.2).
package struct TraceContext: Hashable, Sendable {
    /// The trace: 128 bits, not all of them 0.
    package var trace: (high: UInt64, low: UInt64) { (high, low) }
    private let high: UInt64
    private let low: UInt64
    /// The span that others are children of; not 0.
    package let span: UInt64
    /// Whether whoever began the trace wants it recorded.
    package let isSampled: Bool

    /// Span `span` of a trace.
    package init(trace: (high: UInt64, low: UInt64), span: UInt64, isSampled: Bool) {
        high = trace.high
        low = trace.low
        self.span = span
        self.isSampled = isSampled
    }

    /// Reads the value of a field; `nil` for what is to be taken for none: letters in upper case, ids of zeros, version `ff`, a length that
    /// is not that of version 00, or less in a later one.
    package init?(_ value: UnsafeRawBufferPointer) {
        guard value.count >= Self.length, value[2] == Self.dash, value[35] == Self.dash, value[52] == Self.dash,
            let version = Self.number(value, 0, 2), version != 0xFF,
            let high = Self.number(value, 3, 16), let low = Self.number(value, 19, 16),
            let span = Self.number(value, 36, 16), let flags = Self.number(value, 53, 2)
        else { return nil }
        let rest = value.count - Self.length
        guard rest == 0 || (version > 0 && value[Self.length] == Self.dash) else { return nil }
        guard high | low != 0, span != 0 else { return nil }
        self.init(trace: (high, low), span: span, isSampled: flags & 1 != 0)
    }

    /// The value of a field; 55 characters of ASCII.
    package var traceparent: String {
        "00-\(Self.hexadecimal(high))\(Self.hexadecimal(low))-\(Self.hexadecimal(span))-\(isSampled ? "01" : "00")"
    }

    /// The trace's id as OTLP writes it in JSON: 32 hexadecimal digits.
    package var traceText: String { Self.hexadecimal(high) + Self.hexadecimal(low) }

    /// Sixteen hexadecimal digits.
    package static func hexadecimal(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }

    /// How long a field of version 00 is.
    package static let length = 55
    private static let dash = UInt8(ascii: "-")

    private static func number(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ count: Int) -> UInt64? {
        var value: UInt64 = 0
        for index in start..<(start + count) {
            let byte = bytes[index]
            let digit: UInt8
            switch byte {
            case 0x30...0x39: digit = byte - 0x30
            case 0x61...0x66: digit = byte - 0x61 + 10
            default: return nil
            }
            value = value << 4 | UInt64(digit)
        }
        return value
    }
}

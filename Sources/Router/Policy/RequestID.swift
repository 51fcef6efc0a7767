import NIOCore

/// Names a request in the logs, the answer and the calls behind it.
enum RequestID {
    /// 32 hexadecimal digits of the Router's own.
    case generated(UInt64, UInt64)
    /// What the client sent, where it is in the request's head.
    case given(Range<Int>)

    /// The longest id that is accepted from a client.
    static let maximumLength = 128

    /// Whether a client's id is harmless in a log line: letters, digits and a few marks.
    static func isAcceptable(_ value: UnsafeRawBufferPointer) -> Bool {
        guard !value.isEmpty, value.count <= maximumLength else { return false }
        for byte in value where !(ASCII.isDigit(byte) || ASCII.lower(byte) &- 0x61 < 26 || isMark(byte)) {
            return false
        }
        return true
    }

    private static func isMark(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: ":")
    }

    /// Writes the id; `head` holds what the client sent.
    func write(into out: inout HeadWriter, head: borrowing Head) {
        switch self {
        case .generated(let high, let low):
            out.writeHexadecimal(high)
            out.writeHexadecimal(low)
        case .given(let range):
            head.withBytes { bytes in out.write(bytes.part(range)) }
        }
    }

    /// The id as text.
    func text(_ head: borrowing Head) -> String {
        var buffer = ByteBuffer()
        buffer.writeHead(atMost: Self.maximumLength) { write(into: &$0, head: head) }
        return String(buffer: buffer)
    }
}

/// Makes request ids: unique, not secret (xoshiro256**, Blackman and Vigna 2018, seeded by the system).
struct RequestIDSource {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    init() {
        var system = SystemRandomNumberGenerator()
        state = (system.next(), system.next(), system.next(), system.next() | 1)
    }

    /// The next id.
    mutating func make() -> RequestID { .generated(next(), next()) }

    /// The next number; also what the balancer draws with.
    mutating func next() -> UInt64 {
        let result = Self.rotate(state.1 &* 5, 7) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = Self.rotate(state.3, 45)
        return result
    }

    private static func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
}

extension RequestIDSource: RandomNumberGenerator {}

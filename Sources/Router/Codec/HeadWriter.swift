import NIOCore

/// Writes a head into memory that was reserved for all of it: dozens of short pieces, for each of which a buffer would
/// check again who else holds it and whether there is room.
struct HeadWriter {
    private let memory: UnsafeMutableRawBufferPointer
    /// Bytes written.
    private(set) var count = 0

    fileprivate init(_ memory: UnsafeMutableRawBufferPointer) { self.memory = memory }

    mutating func write(_ text: StaticString) {
        write(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    mutating func write(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, !bytes.isEmpty else { return }
        // The callers' bounds make this true; should one be wrong, this is better than what memory lies behind.
        precondition(bytes.count <= memory.count - count, "the reserved memory is too small")
        (memory.baseAddress.unsafelyUnwrapped + count).copyMemory(from: source, byteCount: bytes.count)
        count += bytes.count
    }

    mutating func write(_ buffer: ByteBuffer) { buffer.withUnsafeReadableBytes { write($0) } }

    mutating func write(_ byte: UInt8) {
        precondition(count < memory.count, "the reserved memory is too small")
        memory[count] = byte
        count += 1
    }

    /// Writes a number that is not negative, in decimal.
    mutating func writeDecimal(_ value: Int) {
        if value > 9 { writeDecimal(value / 10) }
        write(UInt8(truncatingIfNeeded: 0x30 + value % 10))
    }

    /// Writes sixteen hexadecimal digits.
    mutating func writeHexadecimal(_ value: UInt64) {
        let digits: StaticString = "0123456789abcdef"
        var shift: UInt64 = 64
        while shift > 0 {
            shift -= 4
            write(digits.utf8Start[Int(truncatingIfNeeded: value >> shift & 15)])
        }
    }

    /// Writes a Content-Length field.
    mutating func writeContentLength(_ length: Int) {
        write("Content-Length: ")
        writeDecimal(length)
        write("\r\n")
    }
}

extension ByteBuffer {
    /// Writes a head of at most `maximum` bytes by `body`.
    mutating func writeHead(atMost maximum: Int, _ body: (inout HeadWriter) -> Void) {
        writeWithUnsafeMutableBytes(minimumWritableBytes: maximum) { memory in
            var writer = HeadWriter(memory)
            body(&writer)
            return writer.count
        }
    }
}

import NIOCore

/// Frames a body as chunks (RFC 9112 §7.1).
enum ChunkedEncoder {
    /// The end of a chunk.
    static let lineEnd = ByteBuffer(string: "\r\n")
    /// The end of a body without trailers.
    static let end = ByteBuffer(string: "0\r\n\r\n")
    /// Data up to this size is copied into one buffer with its framing: cheaper than two more pieces of a gathered
    /// write.
    static let copyLimit = 4096

    /// Writes `size` in hexadecimal, and the end of the line.
    static func writeSize(_ size: Int, into buffer: inout ByteBuffer) {
        let digits: StaticString = "0123456789abcdef"
        var shift = (Int.bitWidth - size.leadingZeroBitCount + 3) / 4 * 4
        if shift == 0 { shift = 4 }
        while shift > 0 {
            shift -= 4
            buffer.writeInteger(digits.utf8Start[size >> shift & 15])
        }
        buffer.writeInteger(UInt16(0x0D0A))
    }
}

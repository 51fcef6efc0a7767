/// How many WINDOW_UPDATE frames a client may still send: some, and then as many as what it was sent can be the reason for.
///
/// Nothing else bounds them. They cost time, and those for a request whose body is held back wait in memory until it goes on.
struct UpdateAllowance {
    /// Frames for each buffer that was sent: clients give leave for a stream and for the connection, some of them at each read.
    private static let perBuffer = 10
    /// Bytes sent for which there may be one more.
    private static let bytesPerFrame = 1_024
    /// The type of WINDOW_UPDATE (RFC 9113, 6.9).
    private static let windowUpdate: UInt8 = 8

    private let most: Int
    private var left: Int
    /// Bytes until the next frame begins.
    private var skipped: Int
    /// Bytes of the length that have come, and their value.
    private var digits = 0
    private var length = 0
    private var sentBytes = 0

    /// Allows `most` frames at a time, in what follows the preface's `preface` bytes.
    init(_ most: Int, preface: Int = 24) {
        self.most = most
        left = most
        skipped = preface
    }

    /// Takes what a client has sent; `false`: that is too much.
    mutating func received(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var position = 0
        while position < bytes.count {
            if skipped > 0 {
                let step = min(skipped, bytes.count - position)
                skipped -= step
                position += step
            } else if digits < 3 {
                length = length << 8 | Int(bytes[position])
                digits += 1
                position += 1
            } else {
                if bytes[position] == Self.windowUpdate { left -= 1 }
                // Flags and stream, then what the frame holds.
                skipped = 5 + length
                length = 0
                digits = 0
                position += 1
            }
        }
        return left >= 0
    }

    /// Takes note that a client is sent a buffer of `count` bytes.
    mutating func sent(_ count: Int) {
        sentBytes += count
        let earned = Self.perBuffer + sentBytes / Self.bytesPerFrame
        sentBytes %= Self.bytesPerFrame
        left = min(most, left + earned)
    }
}

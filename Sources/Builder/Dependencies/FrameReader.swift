/// Cuts the resolver's answer into frames: JSON after its length in four bytes, and content where the JSON says its size
/// (`base-image/frames.js`). What comes in is not to be trusted.
struct FrameReader {
    /// Most bytes of one frame's JSON: a lock names every package.
    static let longestFrame = 8 << 20

    private var buffer: [UInt8] = []
    private var start = 0

    /// Takes what has arrived.
    mutating func append(_ bytes: [UInt8]) {
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next frame's JSON, when it is complete; throws for one that is too long.
    mutating func frame() throws(BuilderError) -> [UInt8]? {
        guard buffer.count - start >= 4 else { return nil }
        let length = buffer[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.longestFrame else {
            throw BuilderError(.checkerAnswer, "The resolver sent a message of \(length) bytes.")
        }
        return take(length, after: 4)
    }

    /// The next `size` bytes, when they are there.
    mutating func content(_ size: Int) -> [UInt8]? { take(size, after: 0) }

    private mutating func take(_ count: Int, after header: Int) -> [UInt8]? {
        guard buffer.count - start >= header + count else { return nil }
        defer { start += header + count }
        return Array(buffer[start + header..<start + header + count])
    }
}

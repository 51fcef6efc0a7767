/// Where a blob's bytes are.
package enum BlobContent: Sendable, Hashable {
    /// In memory.
    case bytes([UInt8])
    /// In a file, by path.
    case file(String)
    /// In a file that has no name and is kept by this.
    case spooled(SpooledBytes)

    /// How many bytes.
    package var size: Int {
        get throws(OCIError) {
            switch self {
            case .bytes(let bytes): bytes.count
            case .file(let path): try OpenFile(reading: path).size()
            case .spooled(let bytes): bytes.range.count
            }
        }
    }

    /// All of them, in memory.
    package func bytes() throws(OCIError) -> [UInt8] { try part(0..<size) }

    /// The bytes of `range`; throws `mismatch` when there are not as many.
    package func part(_ range: Range<Int>) throws(OCIError) -> [UInt8] {
        switch self {
        case .bytes(let bytes):
            try Self.check(range, within: bytes.count)
            return range.count == bytes.count ? bytes : Array(bytes[range])
        case .file(let path): return try OpenFile(reading: path).bytes(range)
        case .spooled(let spooled):
            // Behind it another part may follow in the same file.
            try Self.check(range, within: spooled.range.count)
            let start = spooled.range.lowerBound
            return try spooled.file.bytes(start + range.lowerBound..<start + range.upperBound)
        }
    }

    private static func check(_ range: Range<Int>, within count: Int) throws(OCIError) {
        guard range.upperBound <= count else {
            throw OCIError(.mismatch, "A blob has \(count) bytes instead of \(range.upperBound) or more.")
        }
    }

    /// Shows `body` all bytes in order, a block at a time; returns their number.
    @discardableResult
    package func forEachBlock(
        _ body: (UnsafeRawBufferPointer) throws(OCIError) -> Void
    ) throws(OCIError) -> Int {
        switch self {
        case .bytes(let bytes):
            try bytes.withRawBytes { (bytes) throws(OCIError) in try body(bytes) }
            return bytes.count
        case .file(let path): return try OpenFile(reading: path).forEachBlock(body)
        case .spooled(let spooled):
            return try OpenFile.forEachBlock(
                reading: { (buffer, offset) throws(OCIError) in try spooled.read(into: buffer, at: offset) }, body)
        }
    }
}

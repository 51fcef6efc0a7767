import CZlib
import FoundationEssentials

/// Compresses into one gzip member on several threads: pieces of fixed size, each with the end of the one before as its dictionary, joined
/// byte by byte (RFC 1951 §3.2.4: an empty stored block ends on a byte), with one header and one checksum.
///
/// The pieces alone decide the bytes, so these do not depend on how many threads there are. Memory is bounded by ``mostPieces``.
struct BlockDeflater: GzipCompressor, ~Copyable {
    /// Most pieces in memory at a time.
    static let mostPieces = 32

    private let level: Int32
    private let most: Int
    private var blocks: [DeflateBlock] = []
    /// The block that is being filled, and how many before it are being compressed.
    private var current = 0
    private var running = 0
    private var checksum: UInt = 0
    private var size = 0
    private var hasBegun = false

    /// A compressor of zlib's `level` on as many threads at a time as `workers` says.
    init(level: Int32, workers: Int = ProcessInfo.processInfo.activeProcessorCount) {
        self.level = level
        // One is filled while the others are compressed.
        most = min(max(workers, 1) * 2, Self.mostPieces - 1) + 1
    }

    deinit {
        // Whoever gives up in the middle leaves no job behind that works for nobody.
        for offset in 0..<running { _ = try? blocks[(current + blocks.count - running + offset) % blocks.count].wait() }
    }

    /// Compresses `bytes`.
    mutating func write(_ bytes: UnsafeRawBufferPointer, to sink: Deflater.Sink) throws(OCIError) {
        try begin(to: sink)
        size += bytes.count
        var rest = bytes[...]
        while !rest.isEmpty {
            if blocks[current].isFull { try submit(.before, to: sink) }
            rest = rest.dropFirst(blocks[current].fill(rest))
        }
    }

    /// Writes what is left and the trailer.
    consuming func finish(to sink: Deflater.Sink) throws(OCIError) {
        try begin(to: sink)
        blocks[current].compress(.last)
        running += 1
        current = (current + 1) % blocks.count
        while running > 0 { try take(to: sink) }
        try Self.put([UInt32(checksum), UInt32(truncatingIfNeeded: size)].flatMap(Self.bytes), to: sink)
    }

    private mutating func begin(to sink: Deflater.Sink) throws(OCIError) {
        guard !hasBegun else { return }
        hasBegun = true
        blocks.append(try DeflateBlock(level: level))
        // As zlib writes it: how hard it tried, and the system 255, "unknown" (RFC 1952 §2.3.1).
        try Self.put([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, level == 9 ? 2 : level == 1 ? 4 : 0, 255], to: sink)
    }

    private mutating func submit(_ place: DeflateBlock.Place, to sink: Deflater.Sink) throws(OCIError) {
        let former = blocks[current]
        former.compress(place)
        running += 1
        if blocks.count < most {
            current = blocks.count
            blocks.append(try DeflateBlock(level: level))
        } else {
            current = (current + 1) % blocks.count
            if running == blocks.count { try take(to: sink) }
        }
        blocks[current].begin(after: former)
    }

    /// Passes on the oldest piece.
    private mutating func take(to sink: Deflater.Sink) throws(OCIError) {
        let first = current + blocks.count - running
        let block = blocks[first % blocks.count]
        // While this thread has nothing else to do, it takes pieces, always the oldest that nobody has.
        while !block.isDone, (0..<running).contains(where: { blocks[(first + $0) % blocks.count].help() }) {}
        running -= 1
        try sink(try block.wait())
        checksum = crc32_combine(checksum, block.checksum, block.count)
    }

    private static func put(_ bytes: [UInt8], to sink: Deflater.Sink) throws(OCIError) {
        try bytes.withRawBytes { (bytes) throws(OCIError) in try sink(bytes) }
    }

    private static func bytes(_ number: UInt32) -> [UInt8] { withUnsafeBytes(of: number.littleEndian, Array.init) }
}

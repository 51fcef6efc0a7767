import CZlib
internal import Dispatch
import Synchronization

/// A piece of a gzip member that is compressed by itself, with the end of the piece before it as its dictionary.
///
/// `@unchecked Sendable`: one thread at a time touches it. ``BlockDeflater`` fills it, hands it by ``compress(_:)`` to whoever takes the
/// `turn` first, a thread of the queue or its own in ``wait()``, and has it back after that; meanwhile it only reads the input, which nobody
/// changes.
final class DeflateBlock: @unchecked Sendable {
    /// Bytes of a piece: large beside the dictionary, and small enough for many at a time.
    static let size = 256 << 10
    /// How far back deflate can refer (RFC 1951 §2).
    static let dictionarySize = 32 << 10

    /// Whether the member goes on behind the piece.
    enum Place {
        case before
        case last
    }

    private static let queue = DispatchQueue(label: "kiln.deflate", attributes: .concurrent)

    // zlib keeps a pointer back to it.
    private let stream: UnsafeMutablePointer<z_stream>
    /// The dictionary, and behind it the piece.
    private let input: UnsafeMutableRawBufferPointer
    // What cannot be compressed takes five bytes more for every 16 KiB, and the end of a piece some.
    private let output = UnsafeMutableRawBufferPointer.allocate(byteCount: DeflateBlock.size * 9 / 8, alignment: 16)
    private let done = DispatchSemaphore(value: 0)
    /// Which piece this is, whether nobody compresses it yet, and whether another thread has.
    private let turn = Mutex((number: 0, isOpen: false, isDone: false))
    private var flush = Z_SYNC_FLUSH
    private var dictionaryCount = 0
    private(set) var count = 0
    private var outputCount = 0
    private(set) var checksum: UInt = 0
    private var code = Z_OK

    init(level: Int32) throws(OCIError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Negative: bare deflate, without gzip's header and trailer.
        let code = deflateInit2_(
            stream, level, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else {
            stream.deallocate()
            throw OCIError(.library, "zlib could not be started (code \(code)).")
        }
        self.stream = stream
        input = .allocate(byteCount: Self.dictionarySize + Self.size, alignment: 16)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        input.deallocate()
        output.deallocate()
    }

    /// Whether nothing more goes in.
    var isFull: Bool { count == Self.size }

    /// Begins a piece that follows `former`.
    func begin(after former: DeflateBlock?) {
        count = 0
        dictionaryCount = 0
        guard let former, former !== self else { return }
        dictionaryCount = min(former.count, Self.dictionarySize)
        let end = Self.dictionarySize + former.count
        let tail = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(former.input)[end - dictionaryCount..<end])
        UnsafeMutableRawBufferPointer(rebasing: input[(Self.dictionarySize - dictionaryCount)...])
            .copyMemory(from: tail)
    }

    /// Takes as many of `bytes` as there is room for; returns how many.
    func fill(_ bytes: Slice<UnsafeRawBufferPointer>) -> Int {
        let taken = min(bytes.count, Self.size - count)
        UnsafeMutableRawBufferPointer(rebasing: input[(Self.dictionarySize + count)...])
            .copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(taken)))
        count += taken
        return taken
    }

    /// Has the piece compressed on another thread.
    func compress(_ place: Place) {
        flush = place == .last ? Z_FINISH : Z_SYNC_FLUSH
        let number = turn.withLock { turn in
            turn = (turn.number + 1, true, false)
            return turn.number
        }
        Self.queue.async { [self] in
            guard take(number) else { return }
            finish()
        }
    }

    /// Whether ``wait()`` would not take long.
    var isDone: Bool { turn.withLock { $0.isDone } }

    /// Gives the compressed piece, which stays until the next one begins. When no other thread has come to it yet, this one compresses it:
    /// so it is never in vain that one waits, however many do.
    func wait() throws(OCIError) -> UnsafeRawBufferPointer {
        if take(nil) { deflatePiece() } else { done.wait() }
        guard code == Z_OK else { throw OCIError(.library, "zlib could not compress (code \(code)).") }
        return UnsafeRawBufferPointer(rebasing: output[..<outputCount])
    }

    /// Compresses the piece here unless another thread has come to it; returns whether it did.
    func help() -> Bool {
        guard take(nil) else { return false }
        finish()
        return true
    }

    private func finish() {
        deflatePiece()
        turn.withLock { $0.isDone = true }
        done.signal()
    }

    /// Whether the caller is the one to compress the piece, the one with `number` or any.
    private func take(_ number: Int?) -> Bool {
        turn.withLock { turn in
            guard turn.isOpen, number == nil || number == turn.number else { return false }
            turn.isOpen = false
            return true
        }
    }

    private func deflatePiece() {
        let bytes = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let piece = bytes?.advanced(by: Self.dictionarySize)
        checksum = crc32(crc32(0, nil, 0), piece, UInt32(count))
        code = deflateReset(stream)
        if code == Z_OK, dictionaryCount > 0 {
            let start = bytes?.advanced(by: Self.dictionarySize - dictionaryCount)
            code = deflateSetDictionary(stream, start, UInt32(dictionaryCount))
        }
        guard code == Z_OK else { return }
        stream.pointee.next_in = piece
        stream.pointee.avail_in = UInt32(count)
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(output.count)
        let result = deflate(stream, flush)
        // Only with room left it is certain that all has been written.
        guard result == (flush == Z_FINISH ? Z_STREAM_END : Z_OK), stream.pointee.avail_out > 0 else {
            code = result == Z_OK || result == Z_STREAM_END ? Z_BUF_ERROR : result
            return
        }
        outputCount = output.count - Int(stream.pointee.avail_out)
    }
}

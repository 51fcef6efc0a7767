import NIOCore

/// Takes requests out of the bytes that a client sends, one after the other.
///
/// A value that does no I/O: bytes go in by ``append(_:)``, heads come out of ``nextHead()`` and the body of the
/// request that the head began out of ``nextBody()``. What is not asked for stays in the buffer, in order: that is how
/// pipelined requests wait.
struct RequestDecoder {
    private let limits: HeadScanner.Limits
    private var bytes = ByteBuffer()
    private var scanner: HeadScanner
    private var body: BodyDecoder?
    private var leadingLineSkipped = false
    private var fieldStorage: [Head.Field] = []

    init(limits: HeadScanner.Limits) {
        self.limits = limits
        scanner = HeadScanner(limits: limits)
    }

    /// Bytes that wait to be asked for.
    var bufferedBytes: Int { bytes.readableBytes }

    /// Adds bytes as they come from the connection.
    mutating func append(_ more: ByteBuffer) {
        if bytes.readableBytes == 0 {
            bytes = more
        } else {
            bytes.writeImmutableBuffer(more)
        }
    }

    /// The head of the next request, or `nil` when it isn't complete.
    mutating func nextHead() throws(SyntaxError) -> RequestHead? {
        guard try skipEmptyLine(), bytes.readableBytes > 0 else { return nil }
        let scanned: Result<Int?, SyntaxError> = bytes.withUnsafeReadableBytes { bytes in
            do throws(SyntaxError) { return .success(try scanner.scan(bytes)) } catch { return .failure(error) }
        }
        guard let length = try scanned.get(), let block = bytes.readSlice(length: length) else { return nil }
        leadingLineSkipped = false
        let storage = fieldStorage
        fieldStorage = []
        return try RequestHead(block, reusing: storage)
    }

    /// Says how the body of the request that ``nextHead()`` returned is framed.
    mutating func beginBody(_ framing: BodyFraming) {
        body = framing == .none ? nil : BodyDecoder(framing, trailerLimits: trailerLimits)
    }

    /// The next piece of the body, or `nil` when more bytes are needed.
    mutating func nextBody() throws(SyntaxError) -> BodyDecoder.Piece? { try body?.next(&bytes) }

    /// Bytes of the body that are certainly still to come, if that is known.
    var remainingBody: Int? { body.map(\.remaining) ?? 0 }

    /// Everything that waits, for a connection that has become a tunnel.
    mutating func takeAll() -> ByteBuffer {
        let all = bytes
        bytes = ByteBuffer()
        return all
    }

    /// Gives back the storage of a head that is no longer needed, for the next one.
    mutating func recycle(_ fields: [Head.Field]) { fieldStorage = fields }

    private var trailerLimits: HeadScanner.Limits {
        // The scanner takes the first line for a start line, which is no field; trailers have none.
        HeadScanner.Limits(startLine: limits.bytes, bytes: limits.bytes, fields: limits.fields - 1)
    }

    /// Skips one empty line before a request, which old clients send after a body (RFC 9112 §2.2); `false`: wait for
    /// more.
    private mutating func skipEmptyLine() throws(SyntaxError) -> Bool {
        guard !leadingLineSkipped, let first: UInt8 = bytes.getInteger(at: bytes.readerIndex) else { return true }
        guard first == ASCII.carriageReturn else { return true }
        guard let second: UInt8 = bytes.getInteger(at: bytes.readerIndex + 1) else { return false }
        guard second == ASCII.lineFeed else { throw .malformedStartLine }
        bytes.moveReaderIndex(forwardBy: 2)
        leadingLineSkipped = true
        return true
    }
}

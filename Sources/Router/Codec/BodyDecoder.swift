import NIOCore

/// How the length of a body is known (RFC 9112 §6).
enum BodyFraming: Equatable {
    /// There is no body.
    case none
    /// So many bytes.
    case length(Int)
    /// Chunks, then trailers.
    case chunked
    /// Everything until the connection closes; responses only.
    case untilClose
}

/// Takes a body out of a connection's bytes, piece by piece and without copying it.
struct BodyDecoder {
    /// What comes next in a body.
    enum Piece {
        /// Some of its bytes, at least one.
        case data(ByteBuffer)
        /// Its end, with the trailers if there were any.
        case end(trailers: Head?)
    }

    /// The longest line with a chunk's size: enough for 15 digits and a short extension.
    ///
    /// Extensions are dropped, so a long one only costs; peers have sent one-byte chunks with kilobytes of it
    /// (CVE-2023-39326).
    static let maximumChunkLine = 256

    private enum State {
        case data(Int)
        case untilClose
        case chunkSize
        case chunkData(Int)
        case chunkEnd
        case trailers(HeadScanner)
        case done
    }

    private var state: State
    private let trailerLimits: HeadScanner.Limits

    init(_ framing: BodyFraming, trailerLimits: HeadScanner.Limits) {
        self.trailerLimits = trailerLimits
        switch framing {
        case .none: state = .data(0)
        case .length(let length): state = .data(length)
        case .chunked: state = .chunkSize
        case .untilClose: state = .untilClose
        }
    }

    /// Bytes that are certainly still to come: the rest of a length or of a chunk.
    var remaining: Int? {
        switch state {
        case .data(let count): count
        case .done: 0
        case .untilClose, .chunkSize, .chunkData, .chunkEnd, .trailers: nil
        }
    }

    /// The next piece of the body at the start of `bytes`, which it consumes; `nil` when more bytes are needed.
    mutating func next(_ bytes: inout ByteBuffer) throws(SyntaxError) -> Piece? {
        while true {
            switch state {
            case .data(0):
                state = .done
                return .end(trailers: nil)
            case .data(let count):
                guard let data = take(count, of: &bytes) else { return nil }
                state = .data(count - data.readableBytes)
                return .data(data)
            case .untilClose:
                guard let data = take(.max, of: &bytes) else { return nil }
                return .data(data)
            case .chunkSize:
                guard let size = try chunkSize(&bytes) else { return nil }
                state = size == 0 ? .trailers(HeadScanner(limits: trailerLimits)) : .chunkData(size)
            case .chunkData(let count):
                guard let data = take(count, of: &bytes) else { return nil }
                state = data.readableBytes == count ? .chunkEnd : .chunkData(count - data.readableBytes)
                return .data(data)
            case .chunkEnd:
                guard bytes.readableBytes >= 2 else {
                    // One wrong byte is enough to know.
                    if let first: UInt8 = bytes.getInteger(at: bytes.readerIndex), first != ASCII.carriageReturn {
                        throw .malformedChunk
                    }
                    return nil
                }
                guard let end: UInt16 = bytes.readInteger(), end == 0x0D0A else { throw .malformedChunk }
                state = .chunkSize
            case .trailers(let scanner):
                guard let trailers = try trailers(scanner, &bytes) else { return nil }
                state = .done
                return .end(trailers: trailers.fields.isEmpty ? nil : trailers)
            case .done:
                return nil
            }
        }
    }

    /// What the end of the connection means for the body: its end, when nothing else could mark that.
    mutating func finish() throws(SyntaxError) -> Piece? {
        switch state {
        case .untilClose, .data(0):
            state = .done
            return .end(trailers: nil)
        case .done: return nil
        case .data, .chunkSize, .chunkData, .chunkEnd, .trailers: throw .truncated
        }
    }

    private func take(_ count: Int, of bytes: inout ByteBuffer) -> ByteBuffer? {
        let length = min(count, bytes.readableBytes)
        return length == 0 ? nil : bytes.readSlice(length: length)
    }

    private func chunkSize(_ bytes: inout ByteBuffer) throws(SyntaxError) -> Int? {
        let parsed: Result<(size: Int, length: Int)?, SyntaxError> = bytes.withUnsafeReadableBytes { bytes in
            do throws(SyntaxError) { return .success(try Self.parseChunkLine(bytes)) } catch { return .failure(error) }
        }
        guard let (size, length) = try parsed.get() else { return nil }
        bytes.moveReaderIndex(forwardBy: length)
        return size
    }

    /// The size on the chunk line at the start of `bytes` and the line's length, or `nil` when the line isn't complete.
    static func parseChunkLine(
        _ bytes: UnsafeRawBufferPointer
    ) throws(SyntaxError) -> (size: Int, length: Int)? {
        var size = 0
        var position = 0
        while position < bytes.count, let digit = ASCII.hexadecimal(bytes[position]) {
            guard position < 15 else { throw .malformedChunk }
            size = size << 4 | Int(digit)
            position += 1
        }
        guard position < bytes.count else { return nil }
        guard position > 0 else { throw .malformedChunk }
        if bytes[position] == UInt8(ascii: ";") {
            while position < bytes.count, ASCII.isFieldValue(bytes[position]) {
                position += 1
                if position > maximumChunkLine { throw .chunkExtensionTooLong }
            }
            guard position < bytes.count else { return nil }
        }
        guard bytes[position] == ASCII.carriageReturn else { throw .malformedChunk }
        guard position + 1 < bytes.count else { return nil }
        guard bytes[position + 1] == ASCII.lineFeed else { throw .malformedChunk }
        return (size, position + 2)
    }

    private mutating func trailers(_ scanner: HeadScanner, _ bytes: inout ByteBuffer) throws(SyntaxError) -> Head? {
        if bytes.readableBytes >= 2, bytes.getInteger(at: bytes.readerIndex, as: UInt16.self) == 0x0D0A {
            bytes.moveReaderIndex(forwardBy: 2)
            return Head(bytes: ByteBuffer())
        }
        // A line feed alone is wrong whatever follows.
        guard bytes.readableBytes > 2 || bytes.getInteger(at: bytes.readerIndex) == ASCII.lineFeed else { return nil }
        var scanner = scanner
        let scanned: Result<Int?, SyntaxError> = bytes.withUnsafeReadableBytes { bytes in
            do throws(SyntaxError) { return .success(try scanner.scan(bytes)) } catch { return .failure(error) }
        }
        guard let length = try scanned.get(), let block = bytes.readSlice(length: length) else {
            state = .trailers(scanner)
            return nil
        }
        var head = Head(bytes: block)
        var fields: [Head.Field] = []
        try head.withBytes { (bytes) throws(SyntaxError) in try Head.parseFields(bytes, from: 0, into: &fields) }
        head.fields = fields
        return head
    }
}

import NIOCore

/// Takes responses out of the bytes that an instance sends.
///
/// A value that does no I/O, see ``RequestDecoder``. The peer runs a stranger's code: what it sends is checked as
/// strictly as a request.
struct ResponseDecoder {
    /// What comes next on the connection.
    enum Event {
        /// A 1xx response; the final one follows. After a 101 the connection is a tunnel.
        case interim(ResponseHead, ResponseFacts)
        /// The head of the final response.
        case head(ResponseHead, ResponseFacts)
        /// Some bytes of the body.
        case body(ByteBuffer)
        /// The end of the response.
        case end(trailers: Head?)
    }

    private enum State {
        case idle
        case head(RequestHead.Method)
        case body(BodyDecoder)
    }

    private let limits: HeadScanner.Limits
    private var bytes = ByteBuffer()
    private var scanner: HeadScanner
    private var state = State.idle

    init(limits: HeadScanner.Limits) {
        self.limits = limits
        scanner = HeadScanner(limits: limits)
    }

    /// Bytes that wait to be asked for; after a response there must be none.
    var bufferedBytes: Int { bytes.readableBytes }

    /// Expects the response to a request with `method`.
    mutating func begin(_ method: RequestHead.Method) { state = .head(method) }

    /// Adds bytes as they come from the connection.
    mutating func append(_ more: ByteBuffer) {
        if bytes.readableBytes == 0 {
            bytes = more
        } else {
            bytes.writeImmutableBuffer(more)
        }
    }

    /// The next event, or `nil` when more bytes are needed.
    mutating func next() throws(SyntaxError) -> Event? {
        switch state {
        case .idle:
            return nil
        case .head(let method):
            guard let head = try nextHead() else { return nil }
            let facts = try ResponseFacts(head, answering: method)
            if head.status < 200 { return .interim(head, facts) }
            state = .body(BodyDecoder(facts.framing, trailerLimits: limits))
            return .head(head, facts)
        case .body(var decoder):
            // Out of the enum while it changes, so that its storage is not copied.
            state = .idle
            let piece = try decoder.next(&bytes)
            if case .end(let trailers) = piece { return .end(trailers: trailers) }
            state = .body(decoder)
            guard case .data(let data) = piece else { return nil }
            return .body(data)
        }
    }

    /// What the end of the connection means: the end of a response that nothing else delimits, or a truncated one.
    mutating func finish() throws(SyntaxError) -> Event? {
        switch state {
        case .idle: return nil
        case .head: throw .truncated
        case .body(var decoder):
            state = .idle
            guard case .end(let trailers)? = try decoder.finish() else { return nil }
            return .end(trailers: trailers)
        }
    }

    /// Everything that waits, for a connection that has become a tunnel.
    mutating func takeAll() -> ByteBuffer {
        let all = bytes
        bytes = ByteBuffer()
        state = .idle
        return all
    }

    private mutating func nextHead() throws(SyntaxError) -> ResponseHead? {
        guard bytes.readableBytes > 0 else { return nil }
        let scanned: Result<Int?, SyntaxError> = bytes.withUnsafeReadableBytes { bytes in
            do throws(SyntaxError) { return .success(try scanner.scan(bytes)) } catch { return .failure(error) }
        }
        guard let length = try scanned.get(), let block = bytes.readSlice(length: length) else { return nil }
        return try ResponseHead(block)
    }
}

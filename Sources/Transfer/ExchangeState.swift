/// What the two sides of an exchange, the engine's thread and the task that reads, know of its answer.
///
/// A value without I/O: the engine reports what arrives, the reader asks for what it wants, and each call returns what
/// is to be handed to the reader now. There is one reader, and it asks for one thing at a time.
struct ExchangeState {
    /// How the answer is handed over.
    enum Delivery: Equatable {
        /// All at once, up to a limit in bytes.
        case whole(limit: Int)
        /// Head first, then as it arrives.
        case streamed
    }

    /// What the reader waits for.
    enum Want: Equatable {
        case head
        case chunk
        case whole
    }

    /// What the reader gets.
    enum Outcome: Sendable {
        case head(ResponseHead)
        case chunk([UInt8])
        case whole(ResponseHead, [UInt8])
        case end
        case failure(TransferError)
    }

    /// What became of bytes that arrived.
    enum Verdict: Equatable {
        case taken
        /// Not taken: the reader is behind. They must be offered again after it asked for more.
        case pause
        /// Not taken: the answer exceeds its limit.
        case overflow
    }

    /// How many bytes may wait for a reader before the peer is slowed down.
    static let highWater = 256 << 10

    let delivery: Delivery
    private var head: ResponseHead?
    private var buffer: [UInt8] = []
    private var end: Result<Void, TransferError>?
    private var want: Want?
    private var isPaused = false
    private(set) var isCancelled = false

    init(_ delivery: Delivery) { self.delivery = delivery }

    /// Whether nothing more will arrive.
    var hasEnded: Bool { end != nil }

    /// The reader wants something. Returns it if it is there; `resumes` says that the engine must go on offering bytes.
    mutating func ask(_ want: Want) -> (outcome: Outcome?, resumes: Bool) {
        self.want = want
        let outcome = answer()
        guard isPaused, buffer.isEmpty else { return (outcome, false) }
        isPaused = false
        return (outcome, true)
    }

    /// The head is complete.
    mutating func receive(_ head: ResponseHead) -> Outcome? {
        self.head = head
        return answer()
    }

    /// Bytes of the body.
    mutating func receive(_ bytes: UnsafeRawBufferPointer) -> (verdict: Verdict, outcome: Outcome?) {
        switch delivery {
        case .whole(let limit):
            guard buffer.count + bytes.count <= limit else { return (.overflow, nil) }
            if buffer.isEmpty, let length = head?.headers["Content-Length"].flatMap({ Int($0) }), length > bytes.count {
                buffer.reserveCapacity(min(length, limit))
            }
        case .streamed:
            guard buffer.isEmpty || buffer.count + bytes.count <= Self.highWater else {
                isPaused = true
                return (.pause, nil)
            }
        }
        buffer.append(contentsOf: bytes)
        return (.taken, answer())
    }

    /// Nothing more will arrive. Only the first end counts.
    mutating func finish(_ result: Result<Void, TransferError>) -> Outcome? {
        if end == nil { end = result }
        return answer()
    }

    /// The reader gave up. Returns whether the engine must be told.
    mutating func cancel() -> Bool {
        guard end == nil, !isCancelled else { return false }
        isCancelled = true
        return true
    }

    private mutating func answer() -> Outcome? {
        guard let want else { return nil }
        let outcome = outcome(for: want)
        if outcome != nil { self.want = nil }
        return outcome
    }

    private mutating func outcome(for want: Want) -> Outcome? {
        switch (want, end) {
        case (.head, _) where head != nil: head.map { .head($0) }
        case (.chunk, _) where !buffer.isEmpty: .chunk(takeBuffer())
        case (_, .failure(let error)): .failure(error)
        case (.whole, .success): head.map { .whole($0, takeBuffer()) } ?? Self.headless
        case (.chunk, .success): .end
        case (.head, .success): Self.headless
        case (_, nil): nil
        }
    }

    private mutating func takeBuffer() -> [UInt8] {
        defer { buffer = [] }
        return buffer
    }

    private static let headless = Outcome.failure(TransferError(.malformedAnswer, "The peer's answer has no head."))
}

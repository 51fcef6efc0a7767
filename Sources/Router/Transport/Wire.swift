import NIOCore

/// How bytes get to a peer: a socket, or what stands before one (TLS, a request in HTTP/2).
protocol Wire: AnyObject {
    /// Whether more can be written without it piling up.
    var isWritable: Bool { get }

    /// Takes bytes to be sent by the next ``flush()``. `promise` is fulfilled when the system has taken them, or fails when it never will.
    func write(_ bytes: ByteBuffer, promise: EventLoopPromise<Void>?)

    /// Sends what has been written.
    func flush()

    /// Sends `bytes`, behind what has been written.
    func send(_ bytes: ByteBuffer)

    /// Input that was held back has a use now.
    func resumeReading()

    /// Closes at once.
    func close()

    /// Sends the end of what is written, and goes on reading.
    func closeOutput()

    /// Closes such that no peer takes it for an orderly end.
    func reset()
}

/// What is told of a connection. Calls come on its event loop; after ``ended(_:)`` there is none.
protocol WireOwner: AnyObject {
    /// Whether more input has a use now: it is what holds a fast peer back.
    var wantsInput: Bool { get }

    /// Bytes have come.
    func read(_ bytes: ByteBuffer)

    /// All bytes that there were have been read, for now.
    func readComplete()

    /// The peer sends nothing more.
    func readEnded()

    /// More can be written again.
    func becameWritable()

    /// The connection is closed, by whomever; by an `error` of the system's, if there was one.
    func ended(_ error: (any Error)?)
}

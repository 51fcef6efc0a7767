import NIOCore

/// Gathers what is written to a connection: small pieces are copied together, large ones passed by reference.
///
/// After a flush the buffer is usually the kernel's no longer and is filled again: a small response costs no
/// allocation.
final class ByteOutput {
    // A class, so that no access to the buffer is under way while the connection calls back (a write can change its
    // writability).
    private var buffer = ByteBuffer()
    /// Whether something has been written since the last flush.
    private(set) var hasUnflushed = false

    /// What a head and a small body need.
    private static let capacity = 1024

    /// Writes head bytes or framing by `body`.
    @inline(__always)
    func write(_ body: (inout ByteBuffer) -> Void) {
        hasUnflushed = true
        // A connection that waits for its first request needs none.
        if buffer.capacity == 0 { buffer = ByteBufferAllocator().buffer(capacity: Self.capacity) }
        body(&buffer)
    }

    /// Writes some of a body.
    func write(_ data: ByteBuffer, to wire: some Wire) {
        hasUnflushed = true
        if data.readableBytes <= ChunkedEncoder.copyLimit {
            buffer.writeImmutableBuffer(data)
        } else {
            emit(to: wire)
            wire.write(data, promise: nil)
        }
    }

    /// Writes some of a body as one chunk.
    func writeChunk(_ data: ByteBuffer, to wire: some Wire) {
        write { ChunkedEncoder.writeSize(data.readableBytes, into: &$0) }
        write(data, to: wire)
        write { _ = $0.writeStaticString("\r\n") }
    }

    /// Sends what has been written.
    func flush(to wire: some Wire) { flush(to: wire, promise: nil) }

    /// Sends what has been written, and does `then` on `loop`, the wire's own, when the system has taken all of it or never will.
    func flush(to wire: some Wire, _ loop: SocketLoop, then: @escaping () -> Void) {
        let promise = loop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenComplete { _ in then() }
        flush(to: wire, promise: promise)
    }

    private func flush(to wire: some Wire, promise: EventLoopPromise<Void>?) {
        hasUnflushed = false
        var taken = buffer
        buffer = ByteBuffer()
        if let promise {
            wire.write(taken, promise: promise)
            wire.flush()
        } else if taken.readableBytes > 0 {
            wire.send(taken)
        } else {
            wire.flush()
        }
        if buffer.readableBytes == 0 {
            taken.clear(minimumCapacity: Self.capacity)
            buffer = taken
        }
    }

    private func emit(to wire: some Wire) {
        guard buffer.readableBytes > 0 else { return }
        let taken = buffer
        buffer = ByteBuffer()
        wire.write(taken, promise: nil)
    }
}

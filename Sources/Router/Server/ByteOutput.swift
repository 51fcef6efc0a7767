import NIOCore

/// Gathers what is written to a connection: small pieces are copied together, large ones passed by reference.
///
/// After a flush the buffer is usually the kernel's no longer and is filled again: a small response costs no
/// allocation.
final class ByteOutput {
    // A class, so that no access to the buffer is under way while the channel calls back (a write can change its
    // writability).
    private var buffer: ByteBuffer
    /// Whether something has been written since the last flush.
    private(set) var hasUnflushed = false

    init(_ allocator: ByteBufferAllocator) { buffer = allocator.buffer(capacity: 1024) }

    /// Writes head bytes or framing by `body`.
    @inline(__always)
    func write(_ body: (inout ByteBuffer) -> Void) {
        hasUnflushed = true
        body(&buffer)
    }

    /// Writes some of a body.
    func write(_ data: ByteBuffer, to context: ChannelHandlerContext) {
        hasUnflushed = true
        if data.readableBytes <= ChunkedEncoder.copyLimit {
            buffer.writeImmutableBuffer(data)
        } else {
            emit(to: context)
            context.write(NIOAny(data), promise: nil)
        }
    }

    /// Writes some of a body as one chunk.
    func writeChunk(_ data: ByteBuffer, to context: ChannelHandlerContext) {
        write { ChunkedEncoder.writeSize(data.readableBytes, into: &$0) }
        write(data, to: context)
        write { _ = $0.writeStaticString("\r\n") }
    }

    /// Sends what has been written; `promise` is fulfilled when the system has taken all of it.
    func flush(to context: ChannelHandlerContext, promise: EventLoopPromise<Void>? = nil) {
        hasUnflushed = false
        var taken = buffer
        buffer = ByteBuffer()
        if taken.readableBytes > 0 || promise != nil { context.write(NIOAny(taken), promise: promise) }
        context.flush()
        if buffer.readableBytes == 0 {
            taken.clear(minimumCapacity: 1024)
            buffer = taken
        }
    }

    private func emit(to context: ChannelHandlerContext) {
        guard buffer.readableBytes > 0 else { return }
        let taken = buffer
        buffer = ByteBuffer()
        context.write(NIOAny(taken), promise: nil)
    }
}

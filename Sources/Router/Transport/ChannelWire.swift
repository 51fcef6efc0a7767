import NIOCore

/// The end of a pipeline of NIO's, behind which ``ClientHandler`` takes requests: what TLS has opened, or what a request in HTTP/2 has been made into.
final class ChannelWire: ChannelDuplexHandler, Wire {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var owner: ClientHandler?
    private var context: ChannelHandlerContext?
    private var isReadPending = false

    /// Tells `owner` of what comes.
    init(_ owner: ClientHandler) { self.owner = owner }

    // MARK: From the channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        owner?.attach(to: self)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        // A connection that never became active doesn't become inactive either.
        end()
        self.context = nil
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { owner?.read(unwrapInboundIn(data)) }

    func channelReadComplete(context: ChannelHandlerContext) { owner?.readComplete() }

    func read(context: ChannelHandlerContext) {
        if owner?.wantsInput == true { context.read() } else { isReadPending = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { owner?.becameWritable() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, event == .inputClosed else { return }
        owner?.readEnded()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelInactive(context: ChannelHandlerContext) { end() }

    private func end() {
        let former = owner
        owner = nil
        former?.ended(nil)
    }

    // MARK: Wire

    var isWritable: Bool { context?.channel.isWritable ?? false }

    func write(_ bytes: ByteBuffer, promise: EventLoopPromise<Void>?) {
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(NIOAny(bytes), promise: promise)
    }

    func flush() { context?.flush() }

    func send(_ bytes: ByteBuffer) {
        context?.write(NIOAny(bytes), promise: nil)
        context?.flush()
    }

    func resumeReading() {
        guard isReadPending, let context else { return }
        isReadPending = false
        context.read()
    }

    func close() { context?.close(promise: nil) }

    func closeOutput() { context?.close(mode: .output, promise: nil) }

    func reset() {
        // An end that TLS announces would be an orderly one.
        if let channel = context?.channel as? ConnectionChannel { channel.reset() } else { close() }
    }
}

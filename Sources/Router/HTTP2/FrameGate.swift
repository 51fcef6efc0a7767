import NIOCore

/// Stands before what reads a connection's frames, and counts those that it does not.
final class FrameGate: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = IOData
    typealias OutboundOut = IOData

    private let connection: HTTP2Connection
    private var allowance: UpdateAllowance
    private var isClosed = false

    init(_ connection: HTTP2Connection, _ limits: HTTP2Limits) {
        self.connection = connection
        allowance = UpdateAllowance(limits.windowUpdates)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosed else { return }
        guard unwrapInboundIn(data).withUnsafeReadableBytes({ allowance.received($0) }) else {
            isClosed = true
            return connection.overrun()
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        allowance.sent(unwrapOutboundIn(data).readableBytes)
        context.write(data, promise: promise)
    }
}

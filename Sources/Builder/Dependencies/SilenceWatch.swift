import NIOCore

/// Closes a connection on which nothing arrives for long, told by an `IdleStateHandler` before it.
///
/// A host that lets a request wait has failed; one that nobody has asked anything merely has a connection too many.
final class SilenceWatch: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private let limit: TimeAmount
    private let onSilence: () -> Void
    /// When the first bytes were sent that nothing has come back for.
    private var asked: NIODeadline?

    /// `onSilence` is called when a request has waited for `limit`.
    init(limit: TimeAmount, onSilence: @escaping () -> Void) {
        self.limit = limit
        self.onSilence = onSilence
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        asked = asked ?? .now()
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        asked = nil
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard event is IdleStateHandler.IdleStateEvent else { return context.fireUserInboundEventTriggered(event) }
        if let asked {
            // Asked a moment ago on a connection that had been idle: the next event decides.
            guard NIODeadline.now() - asked >= limit else { return }
            onSilence()
        }
        context.close(promise: nil)
    }
}

import NIOCore

/// Looks at the first byte that a client of a TLS port sends, and leaves: TLS begins with the type of its first record. A client that speaks
/// HTTP instead is told so in its own language, because what TLS would answer tells people nothing.
final class PlainTextHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// The type of the record that a handshake begins with (RFC 8446, 5.1).
    private static let record: UInt8 = 22

    private let handshake: TLSHandshakeHandler
    private var isRefused = false

    /// In front of `handshake`.
    init(_ handshake: TLSHandshakeHandler) { self.handshake = handshake }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = unwrapInboundIn(data)
        guard let first: UInt8 = bytes.getInteger(at: bytes.readerIndex), !isRefused else { return }
        guard first != Self.record else {
            context.fireChannelRead(data)
            return context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
        isRefused = true
        guard ASCII.isToken(first), let answer = handshake.refusePlainText() else { return context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        // What the client sends on is thrown away until it closes: with input unread the answer might be lost.
        context.close(mode: .output, promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard isRefused else { return context.fireUserInboundEventTriggered(event) }
        if let event = event as? ChannelEvent, event == .inputClosed { context.close(promise: nil) }
    }
}

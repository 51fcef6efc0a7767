import NIOCore

/// Takes the header of the PROXY protocol off a connection that begins with one, tells what follows whose connection it is, and leaves.
/// Until then nothing else passes.
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let client: any ClientConnection
    private var bytes = ByteBuffer()
    private var isRead = false

    /// In front of `client`.
    init(_ client: any ClientConnection) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if isRead { return context.fireChannelRead(data) }
        var more = unwrapInboundIn(data)
        bytes.writeBuffer(&more)
        switch ProxyHeader.read(bytes.readableBytesView) {
        case .incomplete: break
        case .malformed:
            isRead = true
            client.refuseWithoutProxyHeader()
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        case .header(let header):
            bytes.moveReaderIndex(forwardBy: header.length)
            if let source = header.source { client.identify(source) }
            isRead = true
            if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
    }
}

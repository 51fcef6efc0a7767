import NIOCore
import NIOHPACK
import NIOHTTP2

/// Stands between one request's frames and the ``ClientHandler`` behind it, for which this is a connection with a single request in HTTP/1.1.
///
/// ```
///   HEADERS, DATA ──► StreamRequest, chunks ──► ClientHandler ──► ResponseDecoder ──► HEADERS, DATA
/// ```
/// Bodies pass by reference, and are held back in both directions by the stream's own window.
final class StreamHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTP2Frame.FramePayload

    private let connection: HTTP2Connection
    private var decoder: ResponseDecoder
    private var body: StreamRequest.Body?
    /// Whether the client has sent all of its request.
    private var requestEnded = false
    /// Some of the response's body that waits to be known as its end.
    private var pending: ByteBuffer?
    /// Fulfilled when the system has taken the last frame of the response; there is one as soon as that is written.
    private var end: EventLoopPromise<Void>?
    private var flushing: EventLoopPromise<Void>?
    private var isClosed = false

    /// Whether there are too many requests for this one.
    private let isRefused: Bool

    init(_ connection: HTTP2Connection, refused: Bool = false) {
        self.connection = connection
        isRefused = refused
        decoder = ResponseDecoder(limits: connection.worker.responseLimits)
    }

    // MARK: The request

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosed else { return }
        guard !isRefused else { return reset(.refusedStream, context) }
        switch unwrapInboundIn(data) {
        case .headers(let frame):
            if frame.endStream { requestEnded = true }
            do throws(StreamRequest.Fault) {
                try read(frame, context)
            } catch {
                connection.malformed(error)
                reset(.protocolError, context)
            }
        case .data(let frame):
            if frame.endStream { requestEnded = true }
            guard case .byteBuffer(let bytes) = frame.data else { return }
            pass(bytes, context)
        default: break
        }
    }

    private func read(_ frame: HTTP2Frame.FramePayload.Headers, _ context: ChannelHandlerContext)
        throws(StreamRequest.Fault)
    {
        guard let body else {
            let request = try StreamRequest(frame.headers, ends: frame.endStream)
            self.body = request.body
            decoder.begin(request.method)
            return context.fireChannelRead(wrapInboundOut(request.head))
        }
        let end = try StreamRequest.end(frame.headers)
        // Behind a body of a known length HTTP/1.1 has no place for trailers.
        if body == .chunked { context.fireChannelRead(wrapInboundOut(end)) }
    }

    private func pass(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard body == .chunked else {
            if bytes.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(bytes)) }
            return
        }
        if bytes.readableBytes > 0 {
            var framed = context.channel.allocator.buffer(capacity: 32)
            ChunkedEncoder.writeSize(bytes.readableBytes, into: &framed)
            if bytes.readableBytes <= ChunkedEncoder.copyLimit {
                framed.writeImmutableBuffer(bytes)
                framed.writeImmutableBuffer(ChunkedEncoder.lineEnd)
                context.fireChannelRead(wrapInboundOut(framed))
            } else {
                context.fireChannelRead(wrapInboundOut(framed))
                context.fireChannelRead(wrapInboundOut(bytes))
                context.fireChannelRead(wrapInboundOut(ChunkedEncoder.lineEnd))
            }
        }
        if requestEnded { context.fireChannelRead(wrapInboundOut(ChunkedEncoder.end)) }
    }

    // MARK: The response

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        decoder.append(unwrapOutboundIn(data))
        if let promise {
            if let flushing { flushing.futureResult.cascade(to: promise) } else { flushing = promise }
        }
        do {
            while end == nil, let event = try decoder.next() { perform(event, context) }
        } catch {
            reset(.internalError, context)
        }
    }

    private func perform(_ event: ResponseDecoder.Event, _ context: ChannelHandlerContext) {
        switch event {
        case .interim(let head, _): send(StreamResponse.headers(head), ends: false, context)
        case .head(let head, let facts): send(StreamResponse.headers(head), ends: facts.framing == .none, context)
        case .body(let data):
            sendPending(context)
            pending = data
        case .end(let trailers?):
            sendPending(context)
            send(StreamResponse.trailers(trailers), ends: true, context)
        case .end(.none):
            let last = pending ?? ByteBuffer()
            pending = nil
            context.write(
                wrapOutboundOut(.data(.init(data: .byteBuffer(last), endStream: true))), promise: makeEnd(context))
        }
    }

    private func send(_ headers: HPACKHeaders?, ends: Bool, _ context: ChannelHandlerContext) {
        guard let headers else { return reset(.internalError, context) }
        context.write(
            wrapOutboundOut(.headers(.init(headers: headers, endStream: ends))),
            promise: ends ? makeEnd(context) : nil)
    }

    private func sendPending(_ context: ChannelHandlerContext) {
        guard let data = pending else { return }
        pending = nil
        context.write(wrapOutboundOut(.data(.init(data: .byteBuffer(data)))), promise: nil)
    }

    /// Fulfilled when the last frame has left.
    private func makeEnd(_ context: ChannelHandlerContext) -> EventLoopPromise<Void> {
        let promise = context.eventLoop.makePromise(of: Void.self)
        end = promise
        return promise
    }

    func flush(context: ChannelHandlerContext) {
        if end == nil { sendPending(context) }
        let waiting = flushing
        flushing = nil
        let end = end
        context.flush()
        guard let waiting else { return }
        if let end { end.futureResult.cascade(to: waiting) } else { waiting.succeed() }
    }

    // MARK: Ends

    /// An end of output is the last frame's business.
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard mode == .all else {
            promise?.succeed()
            return
        }
        // The rest of a request that is answered already is not wanted (RFC 9113, 8.1). Until here some of it is thrown away: clients that are in the middle
        // of it may take a reset for the answer, as curl before 8 does.
        if end == nil { reset(.internalError, context) } else if !requestEnded { reset(.noError, context) }
        context.close(promise: promise)
    }

    private func reset(_ code: HTTP2ErrorCode, _ context: ChannelHandlerContext) {
        guard !isClosed else { return }
        isClosed = true
        context.writeAndFlush(wrapOutboundOut(.rstStream(code)), promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        // The end of the stream follows.
        isClosed = true
    }

    func channelInactive(context: ChannelHandlerContext) {
        isClosed = true
        connection.closed(ObjectIdentifier(self))
        flushing?.fail(ChannelError.ioOnClosedChannel)
        flushing = nil
        guard end != nil else { return context.fireChannelInactive() }
        // The client's handler may be in the middle of what has sent the last frame.
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        context.eventLoop.execute { bound.value.fireChannelInactive() }
    }
}

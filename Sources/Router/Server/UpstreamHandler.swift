import NIOCore

/// One connection to an instance or role: reads responses and hands them to the client connection it serves.
final class UpstreamHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum State {
        /// Connected, and nothing asked of it: in the pool.
        case idle
        /// A request is under way.
        case busy(ClientHandler)
        /// Bytes pass through.
        case tunnel(ClientHandler)
        case closed
    }

    /// Set as soon as it is connected.
    var endpoint: LoopEndpoint?
    /// Whether it has served a request before.
    private(set) var isReused = false
    private let worker: Worker
    private var state = State.idle
    private var decoder: ResponseDecoder
    private var context: ChannelHandlerContext?
    private var output: ByteOutput?
    private var slot: DeadlineTable.Slot?
    private var isReadPending = false
    private var inputEnded = false
    private var failed = false

    init(_ worker: Worker) {
        self.worker = worker
        decoder = ResponseDecoder(limits: worker.responseLimits)
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        output = ByteOutput(context.channel.allocator)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    // MARK: From the client's side

    /// Whether more can be written without it piling up here.
    private(set) var isWritable = true

    /// Begins a request of `client`, whose head is written by `head`.
    func begin(_ client: ClientHandler, _ method: RequestHead.Method, head: (inout ByteBuffer) -> Void) {
        state = .busy(client)
        if let slot { worker.setDeadline(slot, .distantFuture) }
        decoder.begin(method)
        output?.write(head)
    }

    /// Writes some of the request's body.
    func write(_ data: ByteBuffer, chunked: Bool) {
        guard let context, let output else { return }
        if chunked { output.writeChunk(data, to: context) } else { output.write(data, to: context) }
    }

    /// Writes framing.
    func write(_ body: (inout ByteBuffer) -> Void) { output?.write(body) }

    /// Sends what has been written.
    func flush() {
        guard let context, let output, output.hasUnflushed else { return }
        output.flush(to: context)
    }

    /// The client takes more: go on reading.
    func resume() {
        guard isReadPending, let context else { return }
        isReadPending = false
        context.read()
    }

    /// Bytes pass through from now on; returns those that came already.
    func becomeTunnel(_ client: ClientHandler) -> ByteBuffer {
        state = .tunnel(client)
        return decoder.takeAll()
    }

    /// The client has sent its last byte through the tunnel.
    func endTunnelInput() {
        guard let context, let output else { return }
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            let handler = bound.value
            if handler.inputEnded { handler.close() } else { handler.context?.close(mode: .output, promise: nil) }
        }
        output.flush(to: context, promise: promise)
    }

    /// The exchange is over; keeps the connection for another if it is fit for that.
    func finish(_ end: Exchange.UpstreamEnd) {
        guard case .busy = state else { return }
        isReused = true
        guard end == .keep, decoder.bufferedBytes == 0, !inputEnded else { return close() }
        park()
    }

    /// Puts the connection into the pool, or closes it when the pool doesn't want it.
    func park() {
        guard let endpoint, context != nil, !inputEnded, endpoint.keep(self, limit: worker.poolLimit) else {
            return close()
        }
        state = .idle
        let slot = slot ?? worker.deadlines.insert(self)
        self.slot = slot
        worker.setDeadline(slot, worker.now + worker.settings.timeouts.pooled)
        resume()
    }

    /// Closes the connection; what it serves isn't told.
    func close() {
        guard let context else { return }
        if case .closed = state { return }
        state = .closed
        context.close(promise: nil)
    }

    // MARK: From the channel

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        switch state {
        case .busy(let client):
            worker.beginTurn()
            defer { worker.endTurn() }
            decoder.append(buffer)
            deliver(to: client)
        case .tunnel(let client): client.tunnelReceived(buffer)
        case .idle:
            // Nothing was asked: whatever this is, it must not become the next request's answer.
            endpoint?.forget(self)
            close()
        case .closed: break
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        switch state {
        case .busy(let client), .tunnel(let client): client.flushResponse()
        case .idle, .closed: break
        }
    }

    func read(context: ChannelHandlerContext) {
        switch state {
        case .busy(let client), .tunnel(let client):
            if client.isWritable { context.read() } else { isReadPending = true }
        case .idle, .closed: context.read()
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        guard isWritable else { return }
        switch state {
        case .busy(let client), .tunnel(let client): client.upstreamBecameWritable()
        case .idle, .closed: break
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard let event = event as? ChannelEvent, event == .inputClosed else { return }
        inputEnded = true
        switch state {
        case .busy(let client): end(client)
        case .tunnel(let client): client.tunnelEnded()
        case .idle:
            endpoint?.forget(self)
            close()
        case .closed: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { failed = true }

    func channelInactive(context: ChannelHandlerContext) {
        if let slot { worker.deadlines.remove(slot) }
        slot = nil
        let last = state
        switch last {
        case .busy(let client):
            end(client)
            state = .closed
        case .tunnel(let client):
            state = .closed
            client.tunnelBroken()
        case .idle:
            state = .closed
            endpoint?.forget(self)
        case .closed: break
        }
        self.context = nil
    }

    private func deliver(to client: ClientHandler) {
        do {
            while case .busy = state, let event = try decoder.next() {
                switch event {
                case .interim(let head, let facts): client.received(interim: head, facts)
                case .head(let head, let facts): client.received(head, facts)
                case .body(let data): client.received(data)
                case .end(let trailers): client.receivedEnd(trailers)
                }
            }
        } catch {
            state = .closed
            client.upstreamLost(.upstreamMalformed)
            context?.close(promise: nil)
        }
    }

    /// The instance sends nothing more.
    private func end(_ client: ClientHandler) {
        if !failed, let event = try? decoder.finish(), case .end(let trailers) = event {
            return client.receivedEnd(trailers)
        }
        state = .closed
        client.upstreamLost(.upstreamClosed)
        context?.close(promise: nil)
    }
}

extension UpstreamHandler: DeadlineOwner {
    func deadlineExpired(at now: NIODeadline) {
        guard case .idle = state else { return }
        endpoint?.forget(self)
        close()
    }
}

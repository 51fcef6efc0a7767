import NIOCore

/// One connection to an instance or role: reads responses and hands them to the client connection it serves.
final class UpstreamHandler: WireOwner {
    private enum State {
        /// Connected, and nothing asked of it: in the pool.
        case idle
        /// A request is under way.
        case busy(ClientHandler)
        /// Bytes pass through.
        case tunnel(ClientHandler)
        case closed
    }

    private let endpoint: LoopEndpoint
    /// Whether it has served a request before.
    private(set) var isReused = false
    private let worker: Worker
    private var state = State.idle
    private var decoder: ResponseDecoder
    private var connection: Connection?
    private let output = ByteOutput()
    private var slot: DeadlineTable.Slot?
    private var isEnded = false

    /// Serves requests for `endpoint` over `connection`; throws what the system says when it cannot be watched.
    init(_ worker: Worker, _ endpoint: LoopEndpoint, _ connection: Connection) throws {
        self.worker = worker
        self.endpoint = endpoint
        decoder = ResponseDecoder(limits: worker.responseLimits)
        self.connection = connection
        try connection.start(self)
    }

    // MARK: From the client's side

    /// Whether more can be written without it piling up here.
    var isWritable: Bool { connection?.isWritable ?? false }

    /// Begins a request of `client`, whose head is written by `head`.
    func begin(_ client: ClientHandler, _ method: RequestHead.Method, head: (inout ByteBuffer) -> Void) {
        state = .busy(client)
        if let slot { worker.setDeadline(slot, .distantFuture) }
        decoder.begin(method)
        output.write(head)
    }

    /// Writes some of the request's body.
    func write(_ data: ByteBuffer, chunked: Bool) {
        guard let connection else { return }
        if chunked { output.writeChunk(data, to: connection) } else { output.write(data, to: connection) }
    }

    /// Writes framing.
    func write(_ body: (inout ByteBuffer) -> Void) { output.write(body) }

    /// Sends what has been written.
    func flush() {
        guard output.hasUnflushed, let connection else { return }
        output.flush(to: connection)
    }

    /// The client takes more: go on reading.
    func resume() { connection?.resumeReading() }

    /// Bytes pass through from now on; returns those that came already.
    func becomeTunnel(_ client: ClientHandler) -> ByteBuffer {
        state = .tunnel(client)
        return decoder.takeAll()
    }

    /// The client has sent its last byte through the tunnel.
    func endTunnelInput() {
        guard let connection else { return }
        output.flush(to: connection, worker.eventLoop) { [self] in
            if isEnded { close() } else { self.connection?.closeOutput() }
        }
    }

    /// The exchange is over; keeps the connection for another if it is fit for that.
    func finish(_ end: Exchange.UpstreamEnd) {
        guard case .busy = state else { return }
        isReused = true
        guard end == .keep, decoder.bufferedBytes == 0, !isEnded else { return close() }
        park()
    }

    /// Puts the connection into the pool, or closes it when the pool doesn't want it.
    func park() {
        guard connection != nil, !isEnded, endpoint.keep(self, limit: worker.poolLimit) else { return close() }
        state = .idle
        let slot = slot ?? worker.deadlines.insert(self)
        self.slot = slot
        worker.setDeadline(slot, worker.now + worker.settings.timeouts.pooled)
        resume()
    }

    /// Closes the connection; what it serves isn't told.
    func close() {
        if case .closed = state { return }
        state = .closed
        connection?.close()
    }

    // MARK: From the instance's side

    var wantsInput: Bool {
        switch state {
        case .busy(let client), .tunnel(let client): client.isWritable
        case .idle, .closed: true
        }
    }

    func read(_ bytes: ByteBuffer) {
        switch state {
        case .busy(let client):
            worker.beginTurn()
            defer { worker.endTurn() }
            decoder.append(bytes)
            deliver(to: client)
        case .tunnel(let client): client.tunnelReceived(bytes)
        case .idle:
            // Nothing was asked: whatever this is, it must not become the next request's answer.
            endpoint.forget(self)
            close()
        case .closed: break
        }
    }

    func readComplete() {
        switch state {
        case .busy(let client), .tunnel(let client): client.flushResponse()
        case .idle, .closed: break
        }
    }

    func becameWritable() {
        switch state {
        case .busy(let client), .tunnel(let client): client.upstreamBecameWritable()
        case .idle, .closed: break
        }
    }

    func readEnded() {
        isEnded = true
        switch state {
        case .busy(let client): end(client, failed: false)
        case .tunnel(let client): client.tunnelEnded()
        case .idle:
            endpoint.forget(self)
            close()
        case .closed: break
        }
    }

    func ended(_ error: (any Error)?) {
        connection = nil
        if let slot { worker.deadlines.remove(slot) }
        slot = nil
        let last = state
        switch last {
        case .busy(let client):
            end(client, failed: error != nil)
            state = .closed
        case .tunnel(let client):
            state = .closed
            client.tunnelBroken()
        case .idle:
            state = .closed
            endpoint.forget(self)
        case .closed: break
        }
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
            connection?.close()
        }
    }

    /// The instance sends nothing more.
    private func end(_ client: ClientHandler, failed: Bool) {
        if !failed, let event = try? decoder.finish(), case .end(let trailers) = event {
            return client.receivedEnd(trailers)
        }
        state = .closed
        client.upstreamLost(.upstreamClosed, partly: decoder.bufferedBytes > 0)
        connection?.close()
    }
}

extension UpstreamHandler: DeadlineOwner {
    func deadlineExpired(at now: NIODeadline) {
        guard case .idle = state else { return }
        endpoint.forget(self)
        close()
    }
}

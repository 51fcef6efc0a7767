import Contract
import Logging
import NIOCore

// From an instance's connection to the client.
extension ClientHandler {
    /// A 1xx of the instance.
    func received(interim response: ResponseHead, _ facts: ResponseFacts) {
        guard let request, case .exchanging(let upstream) = phase else { return }
        self.request?.exchange.interim()
        switch response.status {
        case 101:
            guard switches(request, response, facts) else {
                upstream.close()
                return upstreamLost(.upstreamMalformed)
            }
            becomeTunnel(request, response, facts, upstream)
        case 100:
            guard request.facts.expectsContinue, case .function = request.key else { return }
            self.request?.exchange.continued()
            pass(request, interim: response, facts)
        default:
            if request.head.version == .http11 { pass(request, interim: response, facts) }
        }
    }

    private func pass(_ request: Request, interim response: ResponseHead, _ facts: ResponseFacts) {
        write(request, response, facts, .implied)
        flushResponse()
    }

    /// Whether a 101 is an answer to what the client asked for (RFC 9110 §7.8).
    private func switches(_ request: Request, _ response: ResponseHead, _ facts: ResponseFacts) -> Bool {
        guard let asked = request.facts.upgrade, let given = facts.upgrade, case .function = request.key else {
            return false
        }
        return request.head.head.text(asked).lowercased() == response.head.text(given).lowercased()
    }

    private func becomeTunnel(
        _ request: Request,
        _ response: ResponseHead,
        _ facts: ResponseFacts,
        _ upstream: UpstreamHandler
    ) {
        countHead(request, response.status)
        worker.counters.totals.tunnels += 1
        write(request, response, facts, .upgrade)
        phase = .tunnel(upstream)
        let fromInstance = upstream.becomeTunnel(self)
        let fromClient = decoder.takeAll()
        if fromInstance.readableBytes > 0 { tunnelReceived(fromInstance) }
        if fromClient.readableBytes > 0 { upstream.write(fromClient, chunked: false) }
        flushResponse()
        upstream.flush()
        if inputEnded { upstream.endTunnelInput() }
        wait(for: .tunnel)
        resumeReading()
    }

    /// The head of the final response.
    func received(_ response: ResponseHead, _ facts: ResponseFacts) {
        guard let request else { return }
        countHead(request, response.status)
        let framing = ResponseRewriter.framing(facts, for: request.head.version)
        self.request?.framing = framing
        self.request?.upstreamPersistent = facts.persistent
        if !facts.nominated.isEmpty { request.nominated = response.head.names(facts.nominated) }
        if worker.drain != .serving { self.request?.exchange.isPersistent = false }
        let stays = self.request?.exchange.headReceived(selfDelimiting: framing != .close) ?? false
        // The flush that follows at the end of this read starts the wait for more.
        write(request, response, facts, framing: framing, persistence(stays, request.head.version))
    }

    func persistence(_ stays: Bool, _ version: RequestHead.Version) -> ResponseRewriter.Connection {
        stays ? (version == .http10 ? .keepAlive : .implied) : .close
    }

    private func write(
        _ request: Request,
        _ response: ResponseHead,
        _ facts: ResponseFacts,
        framing: ResponseRewriter.Framing = .none,
        _ connection: ResponseRewriter.Connection
    ) {
        let date = worker.dateLine()
        let fromFunction = if case .function = request.key { true } else { false }
        let cookie = response.status >= 200 ? request.cookieField : nil
        let cors = response.status >= 200 ? request.cors?.lines(for: request.head.head) : nil
        output.write { out in
            ResponseRewriter.write(
                response,
                facts: facts,
                framing: framing,
                connection: connection,
                fromFunction: fromFunction,
                id: request.id,
                request: request.head.head,
                date: date,
                added: cookie,
                cors: cors,
                into: &out
            )
        }
    }

    /// Some of the response's body.
    func received(_ data: ByteBuffer) {
        guard let wire else { return }
        request?.downloaded += data.readableBytes
        request?.counters?.sent(data.readableBytes)
        if request?.framing == .chunked {
            output.writeChunk(data, to: wire)
        } else {
            output.write(data, to: wire)
        }
    }

    /// The end of the response.
    func receivedEnd(_ trailers: Head?) {
        guard let request, case .exchanging(let upstream) = phase else { return }
        if request.framing == .chunked {
            output.write { out in
                if let trailers {
                    Trailers.writeEnd(trailers, nominated: request.nominated, into: &out)
                } else {
                    out.writeStaticString("0\r\n\r\n")
                }
            }
        }
        let rest = decoder.remainingBody ?? .max
        let discardable = rest <= worker.settings.configuration.limits.discarded
        guard
            let (client, instance) = self.request?.exchange.responseEnded(
                upstreamPersistent: request.upstreamPersistent,
                discardable: discardable
            )
        else { return }
        phase = .discarding
        flushResponse()
        // The connection goes back before the place does: whoever gets the place finds it.
        upstream.finish(instance)
        finish(client)
    }

    /// Sends what has been written to the client.
    func flushResponse() {
        guard output.hasUnflushed, let wire else { return }
        output.flush(to: wire)
        switch phase {
        case .exchanging: if request?.exchange.download == .open { wait(for: .stream) }
        case .tunnel: wait(for: .tunnel)
        default: break
        }
    }

    /// The instance's connection is gone or unusable; `partly`: some of a head has come.
    func upstreamLost(_ reason: Reason, partly: Bool = false) {
        if partly { request?.exchange.interim() }
        guard case .exchanging = phase, let sent = request?.sentAt else { return }
        let waited = Duration.nanoseconds((.now() - sent).nanoseconds)
        guard let loss = request?.exchange.lost(reason, waited: waited) else { return }
        if loss != .none { request?.trace?.lost(reason.rawValue) }
        switch loss {
        case .none: break
        case .retry:
            guard (request?.retries ?? 0) < 3 else { return answer(reason) }
            retry()
        case .retryElsewhere:
            guard let request, request.retries == 0, let lost = request.assignment?.endpoint,
                worker.rest(lost, inFavourOf: request.key)
            else { return answer(reason) }
            retry()
        case .answer(let reason): answer(reason)
        case .abort: abort(.init(reason))
        }
    }

    // MARK: Tunnel

    /// Bytes of the instance.
    func tunnelReceived(_ data: ByteBuffer) {
        guard let wire else { return }
        request?.downloaded += data.readableBytes
        request?.counters?.sent(data.readableBytes)
        output.write(data, to: wire)
    }

    /// The instance sends nothing more through the tunnel.
    func tunnelEnded() {
        guard let wire else { return }
        output.flush(to: wire, worker.eventLoop) { [self] in
            if inputEnded { close() } else { self.wire?.closeOutput() }
        }
    }

    /// The instance's side of the tunnel is gone.
    func tunnelBroken() {
        guard case .tunnel = phase else { return }
        releaseAssignment()
        finishOutput()
    }
}

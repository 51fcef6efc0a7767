import Contract
import Logging
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

// How requests and connections end: answers of the Router's own, deadlines, and the ways to close.
extension ClientHandler {
    // MARK: Answers

    /// Answers the present request, or bytes that are none.
    func answer(_ reason: Reason, detail: String? = nil) {
        guard let request else { return answer(reason, to: nil, id: worker.random.make(), body: nil) }
        countRefusal(reason)
        let level: Logger.Level = reason.status >= 500 ? .info : .debug
        worker.log(level, "request answered by the router") {
            [
                "requestId": "\(request.id.text(request.head.head))", "reason": "\(reason.rawValue)",
                "target": "\(request.head.head.text(request.head.target).prefix(200))",
                "endpoint": "\(request.assignment?.endpoint.shared.endpoint.id ?? "-")",
            ]
        }
        answer(
            reason, detail: detail ?? reason.detail(of: request), to: request.head, id: request.id, body: request.facts,
            fields: corsFields(request.head, request.key))
    }

    /// Answers `head` with the problem that `reason` stands for, and with more field lines.
    func answer(
        _ reason: Reason, detail: String? = nil, to head: RequestHead?, id: RequestID, body facts: RequestFacts?,
        fields: String = ""
    ) {
        worker.counters.refused(reason)
        let text = head.map { id.text($0.head) } ?? id.text(Head(bytes: ByteBuffer()))
        if reason.endsConnection { request?.exchange.isPersistent = false }
        if isDescribed {
            request?.reason = reason.rawValue
            request?.trace?.lost(reason.rawValue)
        }
        var problem = RouterAnswer(
            reason, detail: detail ?? reason.detail(worker.settings.configuration), requestID: text)
        problem.fields += fields
        answer(problem, to: head, id: id, body: facts, ends: reason.endsConnection)
    }

    /// Answers `head`, whose body is not read; without `facts` it isn't known how long that is.
    func answer(
        _ answer: RouterAnswer,
        to head: RequestHead?,
        id: RequestID,
        body facts: RequestFacts?,
        ends: Bool = false
    ) {
        var end = Exchange.ClientEnd.close
        if let facts, facts.persistent, !ends, worker.drain == .serving { end = endAfterAnswer(facts) }
        let text = id.text(head?.head ?? Head(bytes: ByteBuffer()))
        let date = worker.dateLine()
        let connection = persistence(end != .close, head?.version ?? .http11)
        output.write { out in
            answer.write(id: text, date: date, connection: connection, omittingBody: head?.method == .head, into: &out)
        }
        phase = .discarding
        let bytes = head?.method == .head ? 0 : answer.body.count
        request?.downloaded = bytes
        if request == nil, let accessLog = worker.settings.configuration.accessLog {
            log(head, id, answer, bytes, to: accessLog)
        }
        flushResponse()
        finish(end)
    }

    /// What can be done with a connection whose request is answered before its body has been read.
    private func endAfterAnswer(_ facts: RequestFacts) -> Exchange.ClientEnd {
        if facts.framing == .none || request?.exchange.upload == .ended { return .next }
        // Whether the body follows is up to a client that has not been told to continue.
        if request?.exchange.awaitsContinue ?? facts.expectsContinue { return .close }
        let rest = decoder.remainingBody ?? .max
        return rest <= worker.settings.configuration.limits.discarded ? .discard : .close
    }

    /// The request's body is not acceptable.
    func refuse(_ reason: Reason) {
        switch phase {
        case .exchanging(let upstream):
            upstream.close()
            if request?.exchange.download == .awaiting { answer(reason) } else { abort(.requestRefused) }
        case .discarding: close()
        default: answer(reason)
        }
    }

    /// The present request is over.
    func finish(_ end: Exchange.ClientEnd) {
        releaseAssignment()
        guard case .discarding = phase else { return }
        if let request {
            countEnd(request)
            decoder.recycle(request.head.head.fields)
        }
        request = nil
        switch end {
        case .next:
            becomeIdle()
            advance()
        case .discard:
            discarded = 0
            wait(for: .linger)
            advance()
        case .close: finishOutput()
        }
    }

    /// Ready for the next request.
    func becomeIdle() {
        phase = .idle
        probeAt = nil
        wait(for: .nextRequest)
        resumeReading()
    }

    // MARK: Ends

    /// Closes after everything written has left, and throws input away meanwhile: to close with input unread would
    /// reset the connection, and the client might never see the answer (RFC 9112 §9.6).
    func finishOutput() {
        guard let wire else { return }
        phase = .lingering
        discarded = 0
        wait(for: .stream)
        output.flush(to: wire, worker.eventLoop) { [self] in
            if inputEnded { return close() }
            wait(for: .linger)
            self.wire?.closeOutput()
        }
        resumeReading()
    }

    /// Breaks the connection off in the middle of a response. Where only the connection's end marks the response's, a
    /// reset says that this isn't it.
    func abort(_ cut: Cut) {
        flushResponse()
        countCut(cut)
        if request?.framing == .close { wire?.reset() } else { close() }
    }

    /// Closes at once.
    func close() {
        wire?.close()
    }

    /// Counts input that is thrown away.
    func discard(_ count: Int) {
        discarded += count
        if discarded > max(worker.settings.configuration.limits.discarded, Self.mostLingering) { close() }
    }

    /// Bytes that are thrown away after an answer: what the buffers of both sockets may hold of a client that learns of the answer only between two
    /// writes. To close with some of it unread would reset the connection, and the answer with it.
    private static let mostLingering = 16 << 20

    /// The client sends nothing more. That is no abort: it may have half-closed and wait for the answer.
    func clientEnded() {
        switch phase {
        case .idle: advance()
        case .lingering: break
        case .tunnel(let upstream): upstream.endTunnelInput()
        case .discarding: finishOutput()
        case .waiting, .dialling, .exchanging:
            advance()
            probeAt = .now() + worker.settings.timeouts.probe
            arm()
        case .closed: break
        }
    }

    /// The client is gone before its request was over: what others log as 499.
    func logDeparture(of request: Request, _ phase: Phase) {
        if case .tunnel = phase { return }
        worker.log(.debug, "client gone") { ["requestId": "\(request.id.text(request.head.head))", "status": "499"] }
    }

    /// Asks a half-closed client for a sign of life: if it is gone, its system answers with a reset, and the request is
    /// cancelled.
    private func probe() {
        probeAt = nil
        guard let request, request.head.version == .http11, request.exchange.download == .awaiting else { return }
        output.write { _ = $0.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }
        flushResponse()
    }

}

extension ClientHandler: DeadlineOwner {
    /// Waits for `what`, from now on.
    func wait(for what: Wait) {
        wait = what
        waitSince = worker.now
        waitUntil = deadline(of: what)
        arm()
    }

    /// Sets the deadline that comes first.
    private func arm() {
        guard let slot else { return }
        worker.setDeadline(slot, probeAt.map { min($0, waitUntil) } ?? waitUntil)
    }

    /// A role may have nothing to say for long, when someone follows logs.
    private var isForRole: Bool { if case .role = request?.key { true } else { false } }

    private func deadline(of what: Wait) -> NIODeadline {
        let timeouts = worker.settings.timeouts
        let amount: TimeAmount
        switch what {
        case .none: return .distantFuture
        case .instance(let deadline): return deadline
        case .firstRequest, .head: amount = timeouts.head
        case .nextRequest: amount = worker.drain == .serving ? timeouts.idle : min(timeouts.idle, timeouts.drainIdle)
        case .body: amount = timeouts.body
        case .response(let timeout): amount = timeout
        case .stream: amount = isForRole ? timeouts.tunnel : timeouts.stream
        case .tunnel: amount = timeouts.tunnel
        case .linger: amount = timeouts.linger
        }
        return waitSince + amount
    }

    func deadlineExpired(at now: NIODeadline) {
        if let probeAt, probeAt <= now { probe() }
        guard waitUntil <= now else { return arm() }
        if wait == .body, let outcome = bodyOutcome(at: now) { return perform(outcome) }
        if wait == .body { return }
        perform(wait.outcome(answered: request?.exchange.download == .open))
    }

    /// What a window of a body's arrival says; `nil`: go on.
    private func bodyOutcome(at now: NIODeadline) -> Wait.Outcome? {
        let seconds = worker.settings.timeouts.body.nanoseconds / 1_000_000
        let minimum = Int(seconds) * worker.settings.configuration.limits.minimumBodyRate / 1000
        let timeout = request?.assignment?.timeout ?? worker.settings.timeouts.management
        switch pace.endWindow(minimumBytes: minimum, window: worker.settings.timeouts.body, patience: timeout) {
        case .fine:
            wait(for: .body)
            return nil
        case .clientTooSlow: return Wait.body.outcome(answered: false)
        case .instanceTooSlow: return Wait.response(timeout).outcome(answered: false)
        }
    }

    private func perform(_ outcome: Wait.Outcome) {
        switch outcome {
        case .close:
            if case .tunnel = phase { countCut(.websocketTimeout) }
            close()
        case .giveUp: giveUp()
        case .answer(let reason):
            if case .exchanging(let upstream) = phase { upstream.close() }
            answer(reason)
        case .abort:
            if case .exchanging(let upstream) = phase { upstream.close() }
            abort(.streamTimeout)
        }
    }
}

import Contract
import NIOCore

// From a request's head to an instance's connection.
extension ClientHandler {
    /// Begins a request.
    func begin(_ head: RequestHead) {
        isFresh = false
        let id = requestID(head)
        do throws(Reason) {
            let limits = worker.settings.configuration.limits
            guard head.target.count <= limits.targetBytes else { throw Reason.targetTooLong }
            guard head.method != .connect else { throw Reason.badTarget }
            let facts = try RequestFacts(head)
            let target = try head.head.withBytes { (bytes) throws(Reason) in
                var target = try RequestTarget.parse(bytes, head.target)
                if let host = target.authority ?? facts.host, let name = worker.settings.function(of: bytes.part(host))
                {
                    target.belong(to: name, bytes)
                }
                return target
            }
            decoder.beginBody(facts.framing)
            route(head, facts, target, id)
        } catch {
            answer(error, to: head, id: id, body: nil)
        }
    }

    private func requestID(_ head: borrowing RequestHead) -> RequestID {
        for field in head.head.fields where field.name == .requestID {
            let range = field.value
            if head.head.withBytes({ RequestID.isAcceptable($0.part(range)) }) { return .given(range) }
        }
        return worker.random.make()
    }

    private func route(_ head: RequestHead, _ facts: RequestFacts, _ target: RequestTarget, _ id: RequestID) {
        func refuse(_ reason: Reason) { answer(reason, to: head, id: id, body: facts) }
        guard head.method != .trace else { return refuse(.methodNotAllowed) }
        let settings = worker.settings
        let key: HoldKey
        var timeout = settings.timeouts.hold
        switch target.destination {
        case .function(let name, let revision, _):
            key = .function(name, revision.map { .number($0) } ?? .any)
            if head.method == .options, answerPreflight(head, facts, id, key) { return }
            if let limit = settings.configuration.limits.functionBody, case .length(let length) = facts.framing,
                length > limit
            {
                return answer(.bodyTooLarge, to: head, id: id, body: facts, fields: corsFields(head, key))
            }
        case .functions, .functionRecord, .functionRebake, .functionVerification, .base, .collection:
            guard let policy = settings.management else { return refuse(.notFound) }
            if let reason = policy.refusal(of: head, host: target.authority ?? facts.host) { return refuse(reason) }
            let builds: [RequestTarget.Destination] = [.functions, .functionRebake, .functionVerification, .base]
            key = .role(head.method == .post && builds.contains(target.destination) ? .builder : .deployer)
            timeout = settings.timeouts.role
            worker.counters.totals.managementRequests += 1
        case .metrics:
            guard let policy = settings.management else { return refuse(.notFound) }
            if let reason = policy.refusal(of: head, host: target.authority ?? facts.host) { return refuse(reason) }
            key = .role(.observer)
            timeout = settings.timeouts.role
        case .description:
            // No secret, and of use to whoever is to get a token.
            guard settings.management != nil else { return refuse(.notFound) }
            key = .role(.observer)
            timeout = settings.timeouts.role
        case .health:
            guard isRead(head.method) else { return refuseMethod(head, facts, id) }
            return answer(.init(status: 200, text: "ok"), to: head, id: id, body: facts)
        case .ready:
            guard isRead(head.method) else { return refuseMethod(head, facts, id) }
            guard worker.snapshot != nil, worker.drain == .serving else { return refuse(.notReady) }
            return answer(.init(status: 200, text: "ready"), to: head, id: id, body: facts)
        case .nothing: return refuse(.notFound)
        }
        let now = worker.now
        request = Request(head, facts, target, key, id, began: now, giveUpAt: now + timeout)
        if let tracing = settings.configuration.tracing { beginTrace(tracing) }
        probeAt = inputEnded ? .now() + settings.timeouts.probe : nil
        worker.seek(key, for: self, again: false)
    }

    private func isRead(_ method: RequestHead.Method) -> Bool { method == .get || method == .head }

    /// A probe's path takes no other method.
    private func refuseMethod(_ head: RequestHead, _ facts: RequestFacts, _ id: RequestID) {
        worker.counters.refused(.methodNotAllowed)
        let problem = RouterAnswer(.methodNotAllowed, requestID: id.text(head.head), allow: "GET, HEAD")
        answer(problem, to: head, id: id, body: facts)
    }

    /// Waits in a queue.
    func holding(_ key: HoldKey, _ ticket: HoldQueue<ClientHandler>.Ticket) {
        phase = .waiting(key, ticket)
        guard let request else { return }
        if request.heldSince == nil {
            request.heldSince = .now()
            request.trace?.note("kiln.waiting")
        }
        wait(for: .instance(request.giveUpAt))
    }

    /// There is nothing to wait for.
    func refused(_ reason: Reason, _ detail: String?) { answer(reason, detail: detail) }

    /// The wait was too long.
    func giveUp() {
        guard case .waiting(let key, let ticket) = phase else { return }
        worker.abandon(key, ticket)
        let (reason, detail) = reasonToGiveUp(key)
        answer(reason, detail: detail)
    }

    private func reasonToGiveUp(_ key: HoldKey) -> (Reason, detail: String?) {
        guard case .function(let name, let aim) = key else { return (.roleUnavailable, nil) }
        if request?.dialFailed == true { return (.connectFailed, nil) }
        let route = worker.snapshot?.routes[name]
        let targets: [FunctionRoute.Target]? =
            switch aim {
            case .number(let number): route.map { ($0.targets + $0.pinned).filter { $0.revision == number } }
            case .any, .drawn: route?.targets
            }
        if targets?.contains(where: { !$0.endpoints.isEmpty }) == true { return (.saturated, nil) }
        if case .waiting(let sentence) = targets?.first?.notice { return (.noRoom, sentence) }
        return (.noInstance, nil)
    }

    /// A place at an instance is there.
    func assigned(_ assignment: Assignment) {
        request?.assignment = assignment
        request?.outcomes = assignment.outcomes
        request?.revision = assignment.revision
        request?.cors = assignment.cors
        // One that came before there was a table.
        if assignment.cors != nil, let request, request.head.method == .options,
            answerPreflight(request.head, request.facts, request.id, request.key)
        {
            return
        }
        if case .function(let route) = assignment.kind { countPlace(route) }
        if let upstream = assignment.endpoint.takeIdle() { return attach(upstream) }
        phase = .dialling
        wait(for: .none)
        request?.trace?.note("kiln.connecting")
        attempt += 1
        guard let key = request?.key else { return }
        worker.dial(Dial(endpoint: assignment.endpoint, key: key, client: self, attempt: attempt))
    }

    /// The connection is there; `false`: it came too late.
    func connected(_ upstream: UpstreamHandler, attempt: Int) -> Bool {
        guard case .dialling = phase, attempt == self.attempt else { return false }
        attach(upstream)
        return true
    }

    /// There is no connection: whatever the method, the request hasn't been sent, so another endpoint may have it.
    func dialFailed(attempt: Int) {
        guard case .dialling = phase, attempt == self.attempt, let key = request?.key else { return }
        releaseAssignment()
        request?.dialFailed = true
        request?.trace?.note("kiln.connect-failed")
        // Between two phases; a place or a queue follows at once.
        phase = .dialling
        worker.seek(key, for: self, again: true)
    }

    /// The instance's connection failed in a way that permits to send the request once more.
    func retry() {
        guard let key = request?.key else { return }
        request?.assignment?.endpoint.closeIdle()
        releaseAssignment()
        request?.retries += 1
        worker.counters.totals.retries += 1
        phase = .dialling
        worker.seek(key, for: self, again: true)
    }

    /// Sends the request over `upstream`.
    private func attach(_ upstream: UpstreamHandler) {
        guard let request else { return upstream.park() }
        phase = .exchanging(upstream)
        self.request?.exchange.begin(reused: upstream.isReused)
        pace = BodyPace()
        if let trace = request.trace, let endpoint = request.assignment?.endpoint.shared.endpoint {
            trace.sent(to: endpoint, draw: { worker.random.next() })
        }
        let rewriter = RequestRewriter(client: client, id: request.id, trace: request.trace)
        upstream.begin(self, request.head.method) { out in
            rewriter.rewrite(
                request.head,
                facts: request.facts,
                target: request.target,
                for: audience(request),
                into: &out
            )
        }
        if request.facts.expectsContinue, case .role = request.key { sendContinue() }
        wait(for: request.exchange.upload == .open ? .body : .response(request.assignment?.timeout ?? .zero))
        request.sentAt = waitSince
        advance()
    }

    private func audience(_ request: Request) -> RequestRewriter.Audience {
        if case .function(_, _, let prefix) = request.target.destination { return .function(prefix: prefix) }
        return .role(credentials: worker.settings.credentials)
    }

    /// Tells the client to send its body. Roles' servers are Kiln's own and don't do that; functions' servers are asked
    /// themselves.
    private func sendContinue() {
        request?.exchange.continued()
        output.write { _ = $0.writeStaticString("HTTP/1.1 100 Continue\r\n\r\n") }
        flushResponse()
    }

    /// Passes a piece of the request's body on.
    func pass(_ piece: BodyDecoder.Piece, to upstream: UpstreamHandler) {
        guard let framing = request?.facts.framing else { return }
        switch piece {
        case .data(let data):
            request?.uploaded += data.readableBytes
            request?.counters?.received(data.readableBytes)
            if framing == .chunked, case .function = request?.key, exceedsBodyLimit { return refuse(.bodyTooLarge) }
            pace.moved(data.readableBytes)
            upstream.write(data, chunked: framing == .chunked)
            if request?.exchange.download == .open { wait(for: .stream) } else if !upstream.isWritable { pace.hinder() }
        case .end(let trailers):
            if framing == .chunked {
                let nominated = trailers == nil ? [] : request.map { $0.head.head.names($0.facts.nominated) } ?? []
                upstream.write { out in
                    if let trailers {
                        Trailers.writeEnd(trailers, nominated: nominated, into: &out)
                    } else {
                        out.writeStaticString("0\r\n\r\n")
                    }
                }
            }
            request?.exchange.uploadEnded()
            uploadEnded()
        }
    }

    private var exceedsBodyLimit: Bool {
        guard let limit = worker.settings.configuration.limits.functionBody, let request else { return false }
        return request.uploaded > limit
    }

    private func uploadEnded() {
        guard let request else { return }
        if request.exchange.download == .awaiting {
            wait(for: .response(request.assignment?.timeout ?? .zero))
        } else {
            wait(for: .stream)
        }
    }

    /// The instance takes more of the body.
    func upstreamBecameWritable() {
        if case .tunnel = phase { wait(for: .tunnel) }
        resumeReading()
    }

    /// Gives the place at the instance back.
    func releaseAssignment() {
        guard let assignment = request?.assignment else { return }
        request?.assignment = nil
        if worker.settings.configuration.accessLog != nil, case .function = assignment.kind {
            request?.servedBy = assignment.endpoint.shared.endpoint.id
        }
        worker.release(assignment)
    }
}

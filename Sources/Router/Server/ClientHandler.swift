import Contract
import Logging
import NIOCore

/// One client connection: takes its requests in order, finds an instance for each, and passes bodies both ways.
///
/// A request goes through these phases; what happens in each is in the extensions.
///
/// ```
///   idle ─► waiting ─► dialling ─► exchanging ─► idle
///     │         ▲          │            ├─────► discarding ─► idle
///     │         └──────────┘            └─────► tunnel
///     └──► (an answer of the Router's own) ──► idle, discarding, lingering
/// ```
final class ClientHandler: WireOwner {
    enum Phase {
        /// Between requests.
        case idle
        /// For a place at an instance.
        case waiting(HoldKey, HoldQueue<ClientHandler>.Ticket)
        /// A place is assigned, its connection isn't there yet.
        case dialling
        /// An instance has the request.
        case exchanging(UpstreamHandler)
        /// The rest of a request's body is thrown away.
        case discarding
        /// Bytes pass through.
        case tunnel(UpstreamHandler)
        /// Everything is written; input is thrown away until the client closes too.
        case lingering
        case closed
    }

    let worker: Worker
    private(set) var client: ClientIdentity
    private var admission: Admission
    /// Whether no request has come yet.
    var isFresh = true
    var phase = Phase.idle
    var decoder: RequestDecoder
    var request: Request?
    var wire: (any Wire)?
    let output = ByteOutput()
    var slot: DeadlineTable.Slot?
    var wait = Wait.firstRequest
    var waitUntil = NIODeadline.distantFuture
    /// When the present wait began.
    var waitSince = NIODeadline.uptimeNanoseconds(0)
    var pace = BodyPace()
    /// When a half-closed client is asked for a sign of life.
    var probeAt: NIODeadline?
    /// Counts dials, so that the answer to one that was given up isn't taken for another's.
    var attempt = 0
    var inputEnded = false
    var discarded = 0
    private var isAdvancing = false
    /// Whether there may be more to do since it was last looked.
    private var mayAdvance = false

    /// Whether there is room for the connection.
    enum Admission {
        case asked
        /// It was another's, who had been admitted.
        case succeeding(any ClientConnection)
        /// It is part of a connection that was.
        case stream
    }

    /// Takes the requests of `client`.
    init(_ worker: Worker, _ client: ClientIdentity, admission: Admission = .asked) {
        self.worker = worker
        self.client = client
        self.admission = admission
        decoder = RequestDecoder(limits: worker.headLimits)
    }

    /// The connection is that of a client at `address`, as a trusted proxy says.
    func identify(_ address: SocketAddress) { client = worker.identity(address) }

    // MARK: The connection

    /// Whether more can be written without it piling up here.
    var isWritable: Bool { wire?.isWritable ?? false }

    /// The client is there.
    func attach(to wire: any Wire) {
        self.wire = wire
        slot = worker.deadlines.insert(self)
        switch admission {
        case .asked: if !worker.admit(self) { return answer(.tooManyConnections) }
        case .succeeding(let former):
            _ = worker.admit(self, succeeding: former)
            admission = .asked
        case .stream: break
        }
        wait(for: .firstRequest)
    }

    func read(_ bytes: ByteBuffer) {
        switch phase {
        case .tunnel(let upstream):
            upstream.write(bytes, chunked: false)
            request?.counters?.received(bytes.readableBytes)
            wait(for: .tunnel)
        case .lingering: discard(bytes.readableBytes)
        case .closed: break
        case .idle, .waiting, .dialling, .exchanging, .discarding:
            worker.beginTurn()
            defer { worker.endTurn() }
            decoder.append(bytes)
            advance()
        }
    }

    func readComplete() {
        switch phase {
        case .tunnel(let upstream): upstream.flush()
        default: break
        }
    }

    func becameWritable() {
        switch phase {
        case .exchanging(let upstream):
            if request?.exchange.download == .open { wait(for: .stream) }
            upstream.resume()
        case .tunnel(let upstream): upstream.resume()
        default: break
        }
    }

    func readEnded() {
        inputEnded = true
        clientEnded()
    }

    func ended(_ error: (any Error)?) {
        wire = nil
        if let slot { worker.deadlines.remove(slot) }
        slot = nil
        let last = phase
        phase = .closed
        if let request, worker.settings.logger.logLevel <= .debug { logDeparture(of: request, last) }
        switch last {
        case .waiting(let key, let ticket): worker.abandon(key, ticket)
        case .exchanging(let upstream), .tunnel(let upstream): upstream.close()
        case .idle, .dialling, .discarding, .lingering, .closed: break
        }
        releaseAssignment()
        if let request { countEnd(request) }
        request = nil
        worker.leave(self)
    }

    var wantsInput: Bool {
        switch phase {
        case .idle, .discarding, .lingering: true
        case .waiting, .dialling: decoder.bufferedBytes < Self.readAhead
        case .exchanging(let upstream):
            request?.exchange.upload == .open ? upstream.isWritable : decoder.bufferedBytes < Self.readAhead
        case .tunnel(let upstream): upstream.isWritable
        case .closed: false
        }
    }

    /// Bytes that may wait here for their turn.
    private static let readAhead = 65_536

    /// Goes on reading, if that was held back and isn't any more.
    func resumeReading() {
        guard let wire, wantsInput else { return }
        wire.resumeReading()
    }

    // MARK: Input

    /// Uses what has been received as far as the phase allows.
    func advance() {
        // What is called from here may call this again: once around is enough.
        mayAdvance = true
        guard !isAdvancing else { return }
        isAdvancing = true
        defer { isAdvancing = false }
        repeat {
            do {
                while try step() {}
            } catch {
                if error == .http2Preface, isFresh, client.scheme == .http { return becomeHTTP2() }
                refuse(Reason(error))
            }
            mayAdvance = false
            if case .exchanging(let upstream) = phase {
                // All that came has been passed on: an end of input now is one in the middle of a body.
                if inputEnded, request?.exchange.upload == .open { return close() }
                // An instance that is found gone by this is another's turn, or that of the client's next request.
                upstream.flush()
            }
        } while mayAdvance
        resumeReading()
    }

    private func step() throws(SyntaxError) -> Bool {
        switch phase {
        case .idle:
            guard let head = try decoder.nextHead() else {
                if decoder.bufferedBytes > 0, wait != .head { wait(for: .head) }
                if inputEnded { finishOutput() }
                return false
            }
            begin(head)
            return true
        case .exchanging(let upstream):
            guard request?.exchange.upload == .open, let piece = try decoder.nextBody() else { return false }
            pass(piece, to: upstream)
            return true
        case .discarding:
            guard let piece = try decoder.nextBody() else { return false }
            if case .data(let data) = piece { discard(data.readableBytes) } else { becomeIdle() }
            return true
        case .lingering:
            decoder = RequestDecoder(limits: worker.headLimits)
            return false
        case .waiting, .dialling, .tunnel, .closed:
            return false
        }
    }
}

/// A request that a client connection is busy with.
///
/// A class, because a dozen places look at it while it is under way and each look would copy all of what it refers to.
final class Request {
    let head: RequestHead
    let facts: RequestFacts
    let target: RequestTarget
    var key: HoldKey
    let id: RequestID
    var exchange: Exchange
    /// The place it has, until its exchange is over.
    var assignment: Assignment?
    /// Until when it may wait for a place.
    let giveUpAt: NIODeadline
    /// Whether a dial for it has failed.
    var dialFailed = false
    /// How often it has been sent again.
    var retries = 0
    /// How the client learns where the response ends.
    var framing = ResponseRewriter.Framing.none
    var upstreamPersistent = false
    /// What the response's Connection names, in lower case: its trailers are not to have it.
    var nominated: [String] = []
    /// Bytes of its body so far.
    var uploaded = 0
    /// Bytes of the response's body so far, or of what has passed through a tunnel that way.
    var downloaded = 0
    /// When its head was complete.
    let began: NIODeadline
    /// Since when it waits for a place.
    var heldSince: NIODeadline?
    /// When an instance got it.
    var sentAt: NIODeadline
    /// The status that its client has been sent; 0: none yet.
    var status = 0
    /// The instance that had it last, and why the Router answered itself: known only when they are logged.
    var servedBy: String?
    var reason: String?
    /// What the client is to be known by from now on.
    var cookie: NewCookie?
    /// Where its end is counted while the revisions of its function share the traffic.
    var outcomes: OutcomeCounter?
    /// What is recorded of it, if it is sampled.
    var trace: RequestTrace?
    /// The revision that has it, or had it last.
    var revision: Int?
    /// What its answer has for pages of other origins; `nil`: what the function says.
    var cors: CORSFields?
    /// Whether the function broke off its response.
    var isBroken = false
    /// Where it is counted, from when it is known for which function.
    var counters: FunctionCounters?

    init(
        _ head: RequestHead, _ facts: RequestFacts, _ target: RequestTarget, _ key: HoldKey, _ id: RequestID,
        began: NIODeadline, giveUpAt: NIODeadline
    ) {
        self.began = began
        sentAt = began
        self.head = head
        self.facts = facts
        self.target = target
        self.key = key
        self.id = id
        self.giveUpAt = giveUpAt
        exchange = Exchange(head.method, facts)
    }
}

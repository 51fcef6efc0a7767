import Contract
import Logging
import NIOCore

/// Everything that one event loop knows and does: routes, idle connections, waiting requests, deadlines. Nothing here
/// is shared, so nothing is locked; what loops share is in ``SharedEndpoint`` and ``WaitingRoom``.
final class Worker {
    /// What every worker of a Router is given. A class, because each request looks at it, and a copy would retain all of what it refers to.
    final class Settings: Sendable {
        let configuration: RouterConfiguration
        /// What clients get that speak TLS; `nil`: they don't.
        let certificates: CertificateStore?
        let timeouts: LoopTimeouts
        let management: ManagementPolicy?
        let credentials: ByteBuffer
        let builder: SharedEndpoint?
        let deployer: SharedEndpoint?
        let observer: SharedEndpoint?
        /// Requests that wait before there is a table, or for a role.
        let lobby: WaitingRoom
        let loops: Int
        let logger: Logger

        init(_ configuration: RouterConfiguration, _ certificates: CertificateStore?, loops: Int, logger: Logger) {
            self.configuration = configuration
            self.certificates = certificates
            self.loops = loops
            self.logger = logger
            timeouts = LoopTimeouts(configuration.timeouts)
            lobby = WaitingRoom()
            let management = configuration.management
            self.management = management.map { management in
                ManagementPolicy(
                    hostNames: Set(management.hostNames.map { $0.lowercased() }),
                    token: management.token.map { Array($0.utf8) }
                )
            }
            credentials = ByteBuffer(string: management?.internalToken ?? "")
            builder = management.map { SharedEndpoint(Endpoint(id: "builder", address: $0.builder), serial: -1) }
            deployer = management.map { SharedEndpoint(Endpoint(id: "deployer", address: $0.deployer), serial: -2) }
            observer = management?.observer.map { SharedEndpoint(Endpoint(id: "observer", address: $0), serial: -3) }
        }

        /// The function that `host`, the value of a Host field, belongs to; `nil` for the platform's own names.
        func function(of host: UnsafeRawBufferPointer) -> String? {
            guard let pattern = configuration.functionHost, let bare = HostName.split(host),
                let name = pattern.name(in: bare), management?.isNamed(bare) != true
            else { return nil }
            return name
        }
    }

    /// What a worker tells the Router, from its event loop.
    struct Reports: Sendable {
        /// The table of a step is in use on this loop.
        let installed: @Sendable (Int) -> Void
        /// An endpoint that had left the table may have finished its last request.
        let settled: @Sendable () -> Void
        /// Wakes the requests for a function on other loops, given as a bit mask.
        let wake: @Sendable (_ loops: UInt64, _ function: String) -> Void
        /// Requests wait for revisions without an instance.
        let awaited: @Sendable ([RevisionID]) -> Void
    }

    let index: Int
    let eventLoop: SocketLoop
    let settings: Settings
    let reports: Reports
    let headLimits: HeadScanner.Limits
    let responseLimits = HeadScanner.Limits(startLine: 8_192, bytes: Head.maximumLength, fields: 256)

    var snapshot: RouteSnapshot?
    var endpoints: [Int: LoopEndpoint] = [:]
    var holds: [HoldKey: Hold] = [:]
    /// The keys in ``holds`` by function: the function's own and those of its revisions.
    var heldKeys: [String: Set<HoldKey>] = [:]
    var random = RequestIDSource()
    var deadlines = DeadlineTable()
    var failureLog = LogGate()
    var drain = DrainPhase.serving
    var clients: [ObjectIdentifier: any ClientConnection] = [:]
    var drained: [EventLoopPromise<Void>] = []
    /// Whether a look at what is awaited is due.
    var isCalling = false
    var counters: WorkerCounters
    /// The time of the read that is dealt with.
    private var turn: NIODeadline?
    private var date = DateLine()
    private var ticking = false

    init(index: Int, eventLoop: SocketLoop, settings: Settings, reports: Reports) {
        self.index = index
        self.eventLoop = eventLoop
        self.settings = settings
        self.reports = reports
        let limits = settings.configuration.limits
        counters = WorkerCounters(limit: limits.metricFunctions)
        headLimits = HeadScanner.Limits(
            startLine: limits.targetBytes + 48,
            bytes: limits.headBytes,
            fields: limits.fields
        )
    }

    /// The time, to within one read.
    var now: NIODeadline { turn ?? .now() }

    /// What a connection has read is dealt with until ``endTurn()``; what wants to know the time meanwhile, several things a request, gets this one.
    func beginTurn() { turn = .now() }

    /// Time goes on.
    func endTurn() { turn = nil }

    /// A random number below `bound`.
    func draw(_ bound: Int) -> Int { Int(truncatingIfNeeded: random.next() >> 1) % bound }

    /// The Date field, made once a second.
    func dateLine() -> ByteBuffer { date.line() }

    /// This loop's side of `shared`.
    func endpoint(_ shared: SharedEndpoint) -> LoopEndpoint {
        if let known = endpoints[shared.serial] { return known }
        let made = LoopEndpoint(shared)
        endpoints[shared.serial] = made
        return made
    }

    /// Routes by `change` from now on.
    func install(_ change: RouteBook.Change, step: Int) {
        let first = snapshot == nil
        snapshot = change.snapshot
        counters.forget(change.vacated)
        for shared in change.left { endpoints.removeValue(forKey: shared.serial)?.leave() }
        reports.installed(step)
        if first {
            assignRooms()
            pumpAll()
            callForInstances(of: Array(heldKeys.keys))
        } else if !holds.isEmpty {
            for name in change.functions { pump(function: name) }
            callForInstances(of: change.functions)
        }
    }

    /// What this loop has counted so far.
    func figures() -> WorkerFigures {
        counters.figures(clients: clients.count, idle: endpoints.values.reduce(0) { $0 + $1.idleCount })
    }

    // MARK: Deadlines

    /// Moves the deadline of `slot`.
    func setDeadline(_ slot: DeadlineTable.Slot, _ deadline: NIODeadline) {
        deadlines.set(slot, deadline)
        if !ticking { tick() }
    }

    private func tick() {
        ticking = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: settings.timeouts.resolution) {
            let worker = bound.value
            let now = NIODeadline.now()
            for owner in worker.deadlines.expire(at: now) { owner.deadlineExpired(at: now) }
            worker.ticking = false
            if worker.deadlines.count > 0 { worker.tick() }
        }
    }

    // MARK: Connections to instances

    /// Dials for a request, whose client may have gone when the connection is there.
    func dial(_ dial: Dial) {
        dial.endpoint.health.dialling()
        let done: (Result<Connection, any Error>) -> Void = { [self] result in
            do {
                succeeded(dial, try UpstreamHandler(self, dial.endpoint, try result.get()))
            } catch {
                failed(dial, error)
            }
        }
        let timeout = settings.timeouts.connect
        if let address = dial.endpoint.shared.address {
            Connecting.begin(eventLoop, to: address, within: timeout, done)
        } else if case .tcp(let host, let port) = dial.endpoint.shared.endpoint.address {
            // A name, as the other roles of a cluster have one; where it leads may change.
            Connecting.begin(eventLoop, host: host, port: port, within: timeout, done)
        } else {
            failed(dial, RouterError(.endpoint, "This is no address to dial."))
        }
    }

    private func succeeded(_ dial: Dial, _ upstream: UpstreamHandler) {
        let awaited = dial.endpoint.health.succeeded()
        if !dial.client.connected(upstream, attempt: dial.attempt) { upstream.park() }
        if awaited { pump(besides: dial.key) }
    }

    private func failed(_ dial: Dial, _ error: any Error) {
        dial.endpoint.health.failed(at: .now(), draw: draw)
        dial.endpoint.closeIdle()
        counters.totals.dialFailures += 1
        log(.info, "no connection to an endpoint") {
            ["endpoint": "\(dial.endpoint.shared.endpoint.id)", "error": "\(error)"]
        }
        dial.client.dialFailed(attempt: dial.attempt)
        // Others wait for the outcome of this attempt too: they need to know when the next one may be made.
        pump(besides: dial.key)
    }

    // MARK: Logging

    /// Logs what an outage could repeat thousands of times a second: some of it, but all below `info`, which someone
    /// wants.
    func log(_ level: Logger.Level, _ message: Logger.Message, _ metadata: () -> Logger.Metadata) {
        guard settings.logger.logLevel <= level else { return }
        guard level >= .info else { return settings.logger.log(level: level, message, metadata: metadata()) }
        guard failureLog.admits(at: .now()) else { return }
        var metadata = metadata()
        let suppressed = failureLog.takeSuppressed()
        if suppressed > 0 { metadata["suppressed"] = "\(suppressed)" }
        settings.logger.log(level: level, message, metadata: metadata)
    }
}

/// An attempt to connect to an endpoint.
struct Dial {
    let endpoint: LoopEndpoint
    /// What the request is for.
    let key: HoldKey
    let client: ClientHandler
    /// Which attempt of the client's this is: one that it has given up is not its business any more.
    let attempt: Int
}

/// The timeouts as event loops count them.
struct LoopTimeouts: Sendable {
    let handshake, head, idle, body, stream, tunnel, connect, hold, role, management, pooled, linger, probe, drainIdle,
        sample: TimeAmount
    let resolution: TimeAmount

    init(_ timeouts: RouterConfiguration.Timeouts) {
        handshake = TimeAmount(timeouts.handshake)
        head = TimeAmount(timeouts.head)
        idle = TimeAmount(timeouts.idle)
        body = TimeAmount(timeouts.body)
        stream = TimeAmount(timeouts.stream)
        tunnel = TimeAmount(timeouts.tunnel)
        connect = TimeAmount(timeouts.connect)
        hold = TimeAmount(timeouts.hold)
        role = TimeAmount(timeouts.role)
        management = TimeAmount(timeouts.management)
        pooled = TimeAmount(timeouts.pooled)
        linger = TimeAmount(timeouts.linger)
        probe = TimeAmount(timeouts.probe)
        drainIdle = TimeAmount(timeouts.drainIdle)
        sample = TimeAmount(timeouts.sample)
        resolution = TimeAmount(timeouts.resolution)
    }
}

import Contract
import Logging
import NIOCore
import Synchronization

/// What a Router's event loops have in common. Touched when a table comes and when an endpoint that left has finished,
/// never on behalf of a single request.
final class RouterCore: Sendable {
    private struct Books {
        var routes = RouteBook()
        var ledger: DrainLedger
    }

    /// Functions with metrics of their own.
    let metricFunctions: Int
    private let books: Mutex<Books>
    private let workers: [NIOLoopBound<Worker>]
    private let listener = Mutex<NIOLoopBound<Listener>?>(nil)
    private let address = Mutex<SocketAddress?>(nil)
    private let statuses: AsyncStream<RouterStatus>.Continuation
    private let loads: AsyncStream<RouterLoad>.Continuation
    /// What clients get that speak TLS; `nil`: they don't.
    let certificates: CertificateStore?
    private let watching = Mutex<Task<Void, Never>?>(nil)
    private let sampling = Mutex<RepeatedTask?>(nil)

    init(
        _ configuration: RouterConfiguration,
        group: SocketLoopGroup,
        logger: Logger,
        statuses: AsyncStream<RouterStatus>.Continuation,
        loads: AsyncStream<RouterLoad>.Continuation
    ) async throws {
        let loops = group.loops
        let certificates = try configuration.tls.map { try CertificateStore($0, logger: logger) }
        self.certificates = certificates
        let settings = Worker.Settings(configuration, certificates, loops: loops.count, logger: logger)
        let back = WeakCore()
        let reports = Worker.Reports(
            installed: { step in back.value?.report { $0.installed(step) } },
            settled: { back.value?.report { $0.settled() } },
            wake: { loops, function in back.value?.wake(loops, function) },
            awaited: { loads.yield(RouterLoad(awaited: $0)) }
        )
        self.statuses = statuses
        self.loads = loads
        metricFunctions = configuration.limits.metricFunctions
        var workers: [NIOLoopBound<Worker>] = []
        for (index, loop) in loops.enumerated() {
            let worker = loop.submit {
                let worker = Worker(index: index, eventLoop: loop, settings: settings, reports: reports)
                return NIOLoopBound(worker, eventLoop: loop)
            }
            workers.append(try await worker.get())
        }
        self.workers = workers
        books = Mutex(Books(ledger: DrainLedger(loops: loops.count)))
        back.set(self)
        sample(every: settings.timeouts.sample)
        if let certificates { watching.withLock { $0 = Task { await certificates.watch() } } }
    }

    /// Looks at the loads from the first loop: all it needs are numbers that the loops share.
    private func sample(every interval: TimeAmount) {
        let (worker, loads) = (workers[0], loads)
        let meter = Mutex(LoadMeter())
        let task = worker.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
            guard let snapshot = worker.value.snapshot else { return }
            if let load = meter.withLock({ $0.sample(snapshot) }) { loads.yield(load) }
        }
        sampling.withLock { $0 = task }
    }

    /// Where clients connect.
    var localAddress: SocketAddress? { address.withLock { $0 } }

    // MARK: Listening

    /// Accepts clients, on the first loop; they are the loops' in turn.
    func listen(_ listen: RouterConfiguration.Listen) async throws {
        let descriptor: CInt
        switch listen {
        case .address(let host, let port): descriptor = try Listener.bind(host: host, port: port)
        case .inherited(let inherited):
            descriptor = inherited
            try Listener.prepare(inherited)
        }
        address.withLock { $0 = SocketAddress(of: descriptor) }
        let (loop, workers) = (workers[0].eventLoop, workers)
        let made = loop.submit {
            var turn = 0
            let listener = try Listener(workers[0].value.eventLoop, descriptor) { client, address in
                workers[turn].execute { $0.accept(client, address) }
                turn = (turn + 1) % workers.count
            }
            return NIOLoopBound(listener, eventLoop: loop)
        }
        let bound = try await made.get()
        listener.withLock { $0 = bound }
    }

    // MARK: Tables

    func apply(_ change: (inout RouteBook, [SharedEndpoint]) -> RouteBook.Change?) {
        // Handed to the loops under the lock: all of them see all tables in the same order.
        books.withLock { books in
            guard let change = change(&books.routes, books.ledger.leaving) else { return }
            let step = books.ledger.begin(change)
            for worker in workers { worker.execute { $0.install(change, step: step) } }
        }
    }

    func holds(_ check: RouteCheck) -> Bool {
        books.withLock { books in
            guard !books.routes.isEmpty else { return true }
            let route = books.routes.functions[check.function.value]
            let used = (route?.targets ?? []) + (route?.pinned ?? [])
            return route?.targets.isRouted(as: check) ?? (check.live == nil)
                && Set((route?.pinned ?? []).map(\.revision)) == check.pinned
                && !used.contains { $0.endpoints.contains { check.without.contains($0.endpoint.id) } }
                && books.ledger.isSettled(without: check.without)
        }
    }

    private func report(_ body: (inout DrainLedger) -> RouterStatus?) {
        books.withLock { books in
            if let status = body(&books.ledger) { statuses.yield(status) }
        }
    }

    private func wake(_ loops: UInt64, _ function: String) {
        for (index, worker) in workers.enumerated() where loops & 1 << UInt64(index) != 0 {
            worker.execute { $0.pump(function: function) }
        }
    }

    // MARK: Metrics

    /// Each loop's figures, copied on that loop.
    func figures() async throws -> [WorkerFigures] {
        var figures: [WorkerFigures] = []
        for worker in workers { figures.append(try await worker.eventLoop.submit { worker.value.figures() }.get()) }
        return figures
    }

    /// How many requests wait for each function that any wait for, and how many functions there are.
    func waitingRequests(limit: Int) -> (waiting: [String: Int], functions: Int) {
        let routes = books.withLock { $0.routes.functions }
        var waiting: [String: Int] = [:]
        for route in routes.values where route.waiting.occupancy > 0 {
            waiting[route.slot < limit ? route.name : WorkerCounters.others, default: 0] += route.waiting.occupancy
        }
        return (waiting, routes.count)
    }

    // MARK: Stopping

    func drain(_ plan: DrainPlan) async {
        for worker in workers { worker.execute { $0.beginDrain() } }
        if plan.lead > .zero { try? await Task.sleep(for: plan.lead) }
        await stopAccepting()
        let loop = workers[0].eventLoop
        let ends = workers.map { worker in
            let promise = worker.eventLoop.makePromise(of: Void.self)
            worker.execute { $0.endConnections(promise) }
            return promise.futureResult
        }
        let tunnels = TimeAmount(max(plan.grace, plan.tunnelGrace))
        let timers = [
            loop.scheduleTask(in: TimeAmount(plan.grace)) { [self] in closeConnections(tunnelsToo: false) },
            loop.scheduleTask(in: tunnels) { [self] in closeConnections(tunnelsToo: true) },
        ]
        try? await EventLoopFuture.andAllComplete(ends, on: loop).get()
        for timer in timers { timer.cancel() }
        for worker in workers { worker.execute { $0.closePools() } }
        sampling.withLock { $0?.cancel() }
        watching.withLock { $0?.cancel() }
        statuses.finish()
        loads.finish()
    }

    /// Closes the listening socket without losing a connection: one that has been accepted may be on its way to its loop. Those not accepted yet
    /// stay in the backlog, for whoever else holds the socket.
    private func stopAccepting() async {
        let listening = listener.withLock { listener in
            defer { listener = nil }
            return listener
        }
        guard let listening else { return }
        let closed = listening.eventLoop.submit { listening.value.close() }
        try? await workers.reduce(closed) { future, worker in future.flatMap { worker.eventLoop.submit {} } }.get()
    }

    private func closeConnections(tunnelsToo: Bool) {
        for worker in workers { worker.execute { $0.closeConnections(tunnelsToo: tunnelsToo) } }
    }
}

/// Breaks the circle between the core and the workers that report to it.
private final class WeakCore: Sendable {
    private struct Reference { weak var core: RouterCore? }
    private let reference = Mutex(Reference())
    var value: RouterCore? { reference.withLock { $0.core } }
    func set(_ core: RouterCore) { reference.withLock { $0.core = core } }
}

extension NIOLoopBound where Value == Worker {
    /// Runs `body` on the worker's loop.
    fileprivate func execute(_ body: @escaping @Sendable (Worker) -> Void) {
        let bound = self
        eventLoop.execute { body(bound.value) }
    }
}

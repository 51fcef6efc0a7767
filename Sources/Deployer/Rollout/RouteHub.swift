import Contract

/// Keeps the route table, streams it to the Routers and knows which of them route by which version.
///
/// A revision may only be stopped when no Router sends to it any more: ``settle(_:without:deadline:)`` waits for that. A Router whose
/// stream breaks still counts for ``grace``, because it goes on routing by its last table while it reconnects.
actor RouteHub {
    /// How long a Router that has gone, or one that may have outlived the Deployer before this one, is waited for.
    static let grace: Duration = .seconds(3)

    private struct Router {
        var stream: AsyncStream<RouteMessage>.Continuation?
        var generation: Int
        var status: RouterStatus?
        var lost: ContinuousClock.Instant?
    }

    private let epoch: String
    private var number = 0
    private var routes: [FunctionName: Route] = [:]
    private var routers: [String: Router] = [:]
    private var generations = 0
    private var changes: [Int: AsyncStream<Void>.Continuation] = [:]
    private var observers = 0

    init(epoch: String) {
        self.epoch = epoch
        routers[""] = Router(generation: 0, lost: .now)
    }

    var version: TableVersion { TableVersion(epoch: epoch, number: number) }

    /// How many Routers follow the table now.
    var connected: Int { routers.values.count { $0.stream != nil } }

    /// Replaces the route of `name`, or removes it, and returns the version that says so.
    @discardableResult
    func set(_ name: FunctionName, _ route: Route?) -> TableVersion {
        guard routes[name] != route else { return version }
        routes[name] = route
        number += 1
        let update = RouteUpdate(
            version: version, changed: route.map { [name: $0] } ?? [:], removed: route == nil ? [name] : [])
        for router in routers.values { router.stream?.yield(.update(update)) }
        return version
    }

    /// A stream for the Router `id`: the whole table, then every change. A second stream of one id ends the first.
    func subscribe(_ id: String) -> AsyncStream<RouteMessage> {
        let (stream, continuation) = AsyncStream.makeStream(of: RouteMessage.self)
        generations += 1
        let generation = generations
        routers[""] = nil
        routers[id]?.stream?.finish()
        routers[id] = Router(stream: continuation, generation: generation)
        continuation.yield(.snapshot(version: version, routes: routes))
        continuation.onTermination = { [weak self] _ in
            Task { await self?.lose(id, generation) }
        }
        return stream
    }

    /// Keeps the streams alive, so that either side notices when the other is gone.
    func beat() {
        for router in routers.values { router.stream?.yield(.heartbeat) }
    }

    /// Takes note of what a Router does.
    func report(_ id: String, _ status: RouterStatus) {
        guard routers[id] != nil else { return }
        routers[id]?.status = status
        announce()
    }

    /// Waits until every Router routes by `version` or later and none has requests in flight to `endpoints`, at most until `deadline`.
    func settle(
        _ version: TableVersion, without endpoints: Set<String>, deadline: ContinuousClock.Instant
    ) async {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        observers += 1
        let observer = observers
        changes[observer] = continuation
        defer { changes[observer] = nil }
        let ticker = Task {
            while !Task.isCancelled, ContinuousClock.now < deadline {
                try? await Task.sleep(for: .milliseconds(100))
                continuation.yield()
            }
            continuation.finish()
        }
        defer { ticker.cancel() }
        if isSettled(version, without: endpoints) { return }
        for await _ in stream where isSettled(version, without: endpoints) { return }
    }

    private func isSettled(_ version: TableVersion, without endpoints: Set<String>) -> Bool {
        let now = ContinuousClock.now
        for (id, router) in routers {
            if let lost = router.lost, lost.duration(to: now) > Self.grace {
                routers[id] = nil
                continue
            }
            guard let status = router.status, status.version.epoch == version.epoch,
                status.version.number >= version.number, endpoints.isDisjoint(with: status.busy)
            else { return false }
        }
        return true
    }

    private func lose(_ id: String, _ generation: Int) {
        guard routers[id]?.generation == generation else { return }
        routers[id]?.stream = nil
        routers[id]?.lost = .now
        announce()
    }

    private func announce() {
        for continuation in changes.values { continuation.yield() }
    }
}

import Contract
import Kubernetes
import Logging
import Service
import Synchronization
import Transfer

/// One of several Deployers of a cluster.
///
/// Each answers reads from the cluster's own record. One leads: it alone changes anything, so that deploys of a function come in one order
/// and nobody removes what another has just made. The others pass such calls on to it. What a leader that is no longer one still tries
/// to write is not sent.
package final class ClusterDeployer: Sendable {
    /// What it needs to know.
    package struct Configuration: Sendable {
        /// What the operator decides about Pods.
        package var settings: WorkloadSettings
        /// Kiln's own namespace: of the Lease and of the counters.
        package var system: String
        /// The name of this replica.
        package var identity: String
        /// Where the other replicas reach this one, `host:port`.
        package var address: String
        /// The token between roles.
        package var token: String
        /// How long a call waits for a Deployer that leads: as long as another takes to follow one that was killed.
        package var patience = Duration.seconds(20)
        /// The reconciler's times.
        package var timing = Reconciler.Timing()
        /// What is taken in.
        package var limits = DeployLimits()
        /// The backend's times.
        package var backend = KubernetesBackend.Timing()
        /// Which Routers there are.
        package var routers: ClusterRouters.Configuration
        /// The limits of the API client.
        package var client = APIClient.Configuration()
        /// Kiln's version, for metrics.
        package var version = ""
        /// Which images may run; `nil` lets all.
        package var trust: (any ImageTrust)?

        /// A replica called `identity`, which the others reach at `address`.
        package init(settings: WorkloadSettings, system: String, identity: String, address: String, token: String) {
            self.settings = settings
            self.system = system
            self.identity = identity
            self.address = address
            self.token = token
            routers = ClusterRouters.Configuration(namespace: system, token: token)
        }
    }

    /// Garbage collection, which the leader does.
    package struct Upkeep: Sendable {
        /// Makes it for a reconciler.
        package var make: @Sendable (Reconciler) -> GarbageCollection
        /// Seconds between two runs; `nil` for none but those that are asked for.
        package var interval: Int?
        /// When it ran last on this replica.
        package var lastRun: LastRun

        /// Garbage collection every `interval` seconds.
        package init(
            interval: Int?, lastRun: LastRun, make: @escaping @Sendable (Reconciler) -> GarbageCollection
        ) {
            self.make = make
            self.interval = interval
            self.lastRun = lastRun
        }
    }

    private struct State {
        var leading: DeployerAPI?
        var leader: String?
    }

    /// Until a new leader has seen what runs, and tells of it.
    private static let settling = Duration.seconds(2)
    /// Between two looks at who leads, while calls wait.
    private static let look = Duration.milliseconds(100)
    /// The most calls a second for what is written about functions.
    private static let reportsPerSecond = 20

    private let connection: ClusterConnection
    private let configuration: Configuration
    private let tags: any RevisionTags
    private let metrics: DeployerMetrics
    private let upkeep: Upkeep?
    private let http: HTTPClient
    private let logger: Logger
    private let reading: DeployerAPI
    private let view: KubernetesBackend
    private let hasView = Atomic<Bool>(false)
    private let state = Mutex(State())

    /// A replica on the cluster at `connection`. Throws when the HTTP client does not start.
    package init(
        _ connection: ClusterConnection, _ configuration: Configuration, tags: any RevisionTags,
        metrics: DeployerMetrics, upkeep: Upkeep?, http: HTTPClient, logger: Logger
    ) throws(TransferError) {
        self.connection = connection
        self.configuration = configuration
        self.tags = tags
        self.metrics = metrics
        self.upkeep = upkeep
        self.http = http
        self.logger = logger
        var client = configuration.client
        client.mayWrite = { false }
        let api = try APIClient(connection, client, logger: logger)
        view = KubernetesBackend(
            api, settings: configuration.settings, timing: configuration.backend, logger: logger)
        let reconciler = Reconciler(
            store: KubernetesStore(
                api, namespace: configuration.settings.namespace, system: configuration.system),
            backend: view, tags: tags, epoch: configuration.identity, timing: configuration.timing,
            metrics: metrics, logger: logger)
        reading = DeployerAPI(
            reconciler: reconciler, version: configuration.version, logger: logger, isReady: { true }, onBase: { _ in })
    }

    /// Takes part until the task is cancelled.
    package func run() async throws(TransferError) {
        let election = try LeaderElection(
            connection, lease: "kiln-deployer", namespace: configuration.system, identity: configuration.identity,
            address: configuration.address, logger: logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.look() }
            group.addTask {
                await election.run(holds: { address in self.state.withLock { $0.leader = address } }) {
                    await self.lead()
                }
            }
            await group.waitForAll()
        }
    }

    /// Answers a call, or lets the leader do it.
    package func handle(_ request: ServiceRequest) async throws -> ServiceResponse {
        let leading = state.withLock { $0.leading }
        switch request.path.first {
        case "healthz", "metrics": return try await (leading ?? reading).handle(request)
        case "readyz":
            let isReady = hasView.load(ordering: .relaxed)
            return ServiceResponse(
                status: isReady ? 200 : 503, headers: [("Content-Type", "text/plain")],
                body: .bytes(Array((isReady ? "ready\n" : "starting\n").utf8)))
        default: break
        }
        if leading == nil, Self.isRead(request) { return try await reading.handle(request) }
        return try await byLeader(request)
    }

    /// Has the leader answer. While there is none, or none that is reached, the call waits for the next one.
    private func byLeader(_ request: ServiceRequest) async throws -> ServiceResponse {
        let isPassedOn = !request.field(LeaderCall.mark).isEmpty
        // Who has passed it on looks for the leader itself; this one may be taking over just now.
        let deadline = ContinuousClock.now + (isPassedOn ? Self.settling : configuration.patience)
        repeat {
            let (leading, leader) = state.withLock { ($0.leading, $0.leader) }
            if let leading { return try await lead(leading, request) }
            if let leader, leader != configuration.address, !isPassedOn {
                let call = LeaderCall(client: http, address: leader)
                if let answer = try await call.pass(request, limit: DeployerAPI.bodyLimit) { return answer }
            }
            try await Task.sleep(for: Self.look)
        } while .now < deadline
        throw Problem(
            "no-leader", isPassedOn ? LeaderCall.misdirected : 503, "No Deployer leads",
            "The Deployers are agreeing on which of them leads; this takes some seconds. Functions go on running. Try again.",
            retryAfter: 3)
    }

    /// Answers a call as the leader, which it may no longer be when the answer is due.
    private func lead(_ api: DeployerAPI, _ request: ServiceRequest) async throws -> ServiceResponse {
        do {
            return try await api.handle(request)
        } catch let error as APIError where error.code == .fenced {
            throw LeaderCall.lost("Another Deployer leads since.")
        }
    }

    /// What any replica answers from the record.
    private static func isRead(_ request: ServiceRequest) -> Bool {
        ["func", "base"].contains(request.path.first) && ["GET", "HEAD"].contains(request.method)
    }

    /// Has the view complete that reads are answered from.
    private func look() async {
        while !Task.isCancelled, !hasView.load(ordering: .relaxed) {
            if (try? await view.watch()) != nil { hasView.store(true, ordering: .relaxed) }
        }
    }

    // MARK: Leading

    private func lead() async {
        let term = Term()
        await withTaskCancellationHandler {
            while !Task.isCancelled {
                do {
                    try await serve(term)
                } catch is CancellationError {
                    return
                } catch {
                    logger.warning("cannot take over yet", metadata: ["error": "\(error)"])
                    try? await Task.sleep(for: .seconds(1))
                }
            }
        } onCancel: {
            term.end()
            state.withLock { $0.leading = nil }
        }
        state.withLock { $0.leading = nil }
    }

    /// What is written about functions has calls of its own: after a change of leaders there may be thousands, and deploys must not wait.
    private func reporter(_ client: APIClient.Configuration) throws(TransferError) -> FunctionReporter {
        var client = client
        client.callsPerSecond = min(client.callsPerSecond, Self.reportsPerSecond)
        client.burst = client.callsPerSecond
        let api = try APIClient(connection, client, logger: logger)
        let store = KubernetesStore(
            api, namespace: configuration.settings.namespace, system: configuration.system)
        return FunctionReporter(store: store, instance: configuration.identity, logger: logger)
    }

    /// Takes over what runs and carries out what is asked for, until the task is cancelled.
    private func serve(_ term: Term) async throws {
        var client = configuration.client
        client.mayWrite = { !term.isOver }
        let api = try APIClient(connection, client, logger: logger)
        let settings = configuration.settings
        let store = KubernetesStore(api, namespace: settings.namespace, system: configuration.system)
        let routers = ClusterRouters(api, configuration.routers, client: http, logger: logger)
        let backend = KubernetesBackend(
            api, settings: settings, timing: configuration.backend, routers: routers, logger: logger)
        let reporter = try reporter(client)
        let reconciler = Reconciler(
            store: store, backend: backend, tags: tags, epoch: configuration.identity, timing: configuration.timing,
            limits: configuration.limits, metrics: metrics, observer: reporter, routers: routers,
            trust: configuration.trust, logger: logger)
        let overview = try await store.overview()
        await backend.keep(Set(overview.pending.map(\.revision.id)))
        try await reconciler.start(base: nil, overview)
        let collection = upkeep?.make(reconciler)
        let leading = DeployerAPI(
            reconciler: reconciler, version: configuration.version, logger: logger, collection: collection,
            isReady: { true }, onBase: { try await reconciler.setBase($0) })
        try Task.checkCancellation()
        state.withLock { $0.leading = term.isOver ? nil : leading }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await reconciler.run() }
            group.addTask { await routers.run() }
            group.addTask {
                try? await Task.sleep(for: Self.settling)
                await reporter.open()
            }
            group.addTask { await ObjectWatch(api, settings.namespace, self.logger).run(reconciler) }
            if let upkeep, let collection, let interval = upkeep.interval {
                group.addTask { await collection.run(every: interval, lastRun: upkeep.lastRun) }
            }
            await group.waitForAll()
        }
    }
}

/// A time of leading.
private final class Term: Sendable {
    private let over = Atomic<Bool>(false)

    var isOver: Bool { over.load(ordering: .sequentiallyConsistent) }
    func end() { over.store(true, ordering: .sequentiallyConsistent) }
}

import Contract
import Kubernetes
import Logging
import Service

/// Runs functions on a Kubernetes cluster: for each revision a Deployment, a Service without an address, an autoscaler and a NetworkPolicy.
///
/// What there is it knows from three watches, whatever the number of functions; a call is made only to change something. The cluster scales
/// by itself, so ``usage(of:)`` tells nothing and Kiln's own autoscaler leaves functions alone.
package actor KubernetesBackend: Backend {
    /// How long the backend waits.
    package struct Timing: Sendable {
        /// For room on a node, or for a quota to be raised, before a roll-out counts as failed.
        package var patience = Duration.seconds(30)
        /// For the Pods of a retired revision, beyond their grace period.
        package var removal = Duration.seconds(60)
        /// Between two looks at what no watch tells.
        package var look = Duration.seconds(1)

        /// The defaults.
        package init() {}
    }

    package nonisolated let events: AsyncStream<WorkloadEvent>
    let api: APIClient
    let settings: WorkloadSettings
    let timing: Timing
    let logger: Logger
    private(set) var view = ClusterView()
    /// Who can tell that Pods accept connections before their probes do.
    let routers: (any RouterCensus)?

    private let feed: AsyncStream<WorkloadEvent>.Continuation
    private var published: [RevisionID: [Endpoint]] = [:]
    /// Pods that accept connections, but whose probes have not seen it yet, by name.
    private var accepting: [RevisionID: Set<String>] = [:]
    /// Tables that are not complete yet.
    private var incomplete: Set<String> = []
    private var watches: [Task<Void, Never>] = []
    private let waiters = ChangeWaiters()
    /// Revisions whose roll-out somebody is going to resume.
    var unfinished: Set<RevisionID> = []
    /// What runs otherwise than it would be made now, and waits to be brought in line; and what is at it.
    var stale: [RevisionID: Workload] = [:]
    var refreshes: [RevisionID: Task<Void, Never>] = [:]
    /// Objects that are being removed.
    var removals: [RevisionID: Task<Void, Never>] = [:]

    /// The objects of functions, in label selectors.
    static let labels = FunctionLabels.selector

    /// A backend in the namespace of `settings`. With `routers`, those are asked what accepts connections.
    package init(
        _ api: APIClient, settings: WorkloadSettings, timing: Timing = Timing(),
        routers: (any RouterCensus)? = nil, logger: Logger
    ) {
        self.routers = routers
        self.api = api
        self.settings = settings
        self.timing = timing
        self.logger = logger
        (events, feed) = AsyncStream.makeStream()
    }

    deinit {
        for watch in watches { watch.cancel() }
        feed.finish()
    }

    /// Lets ``adopt(_:parkable:)`` leave these revisions as they are: their roll-out is going to be resumed.
    package func keep(_ revisions: Set<RevisionID>) { unfinished = revisions }

    /// What is known of a revision.
    func known(_ id: RevisionID) -> ClusterView.Revision { view.revisions[id] ?? ClusterView.Revision() }

    /// Begins to watch, once, and returns when all tables are complete.
    func watch() async throws {
        if watches.isEmpty {
            follow(ObservedDeployment.self, \.deployments)
            follow(Pod.self, \.pods)
            follow(RoutedSlice.self, \.slices)
            if let checker = settings.checker { feed.yield(.endpoints(.checker, [checker])) }
        }
        while !incomplete.isEmpty { try await change() }
    }

    /// Waits for the next change of anything, at most `Timing.look`.
    func change() async throws {
        await waiters.change(until: .now + timing.look)
        try Task.checkCancellation()
    }

    private func follow<Object: RevisionObject>(
        _ type: Object.Type, _ table: any WritableKeyPath<ClusterView.Revision, FewObjects<Object>> & Sendable
    ) {
        let plural = Object.resource.plural
        incomplete.insert(plural)
        let changes = Reflector<Object>(api, Selection(namespace: settings.namespace, labels: Self.labels)).changes()
        watches.append(
            Task { [weak self] in
                for await change in changes { await self?.note(change, table, plural) }
            })
    }

    private func note<Object: RevisionObject>(
        _ change: TableChange<Object>, _ table: WritableKeyPath<ClusterView.Revision, FewObjects<Object>>,
        _ plural: String
    ) {
        if case .synced = change, incomplete.remove(plural) != nil, incomplete.isEmpty {
            for id in view.revisions.keys { publish(id) }
        }
        if let id = view.note(change, table), incomplete.isEmpty { publish(id) }
        waiters.announce()
    }

    /// The Pods `starting`, which are not ready yet, accept connections.
    func accept(_ id: RevisionID, _ starting: [Endpoint]) {
        accepting[id] = Set(starting.map(\.id))
        publish(id)
    }

    /// Where a revision takes requests.
    func endpoints(of id: RevisionID) -> [Endpoint] {
        let known = known(id)
        guard let accepting = accepting[id] else { return known.endpoints }
        let early = RoutedSlice.starting(of: known.slices.all).filter { accepting.contains($0.id) }
        // Once ready, a Pod is what its probe says.
        self.accepting[id] = early.isEmpty ? nil : Set(early.map(\.id))
        return (known.endpoints + early).sorted { $0.id < $1.id }
    }

    private func publish(_ id: RevisionID) {
        let endpoints = endpoints(of: id)
        guard published[id, default: []] != endpoints else { return }
        published[id] = endpoints.isEmpty ? nil : endpoints
        feed.yield(.endpoints(.revision(id), endpoints))
    }
}

import Contract
import Logging

/// Brings what runs in line with what is recorded, and carries out deploys, rollbacks, pins and deletes.
///
/// Each step is idempotent: a Deployer that dies anywhere is followed by one that reads the store, adopts what runs and goes on. A
/// revision goes live in the store only after its instances accept requests; it answers the caller only after every Router routes to it.
package actor Reconciler {
    /// The times the reconciler waits.
    package struct Timing: Sendable {
        /// The longest that requests in flight keep an old revision alive after the traffic has moved; flag `--drain`.
        package var drain: Duration = .seconds(30)
        /// The longest a deploy waits for the Routers to say that they have switched.
        package var switchOver: Duration = .seconds(5)
        /// How often a pending revision is tried again over restarts of the Deployer before it counts as failed.
        package var attempts = 3
        /// For how long requests for a parked revision that does not start are told so, before it is tried again; doubled each time.
        package var wakeRest: ClosedRange<Duration> = .seconds(1)...(.seconds(30))
        /// A function is not parked for want of memory before it has had no request for so long.
        package var restBeforeEviction: Duration = .seconds(5)
        /// How instances come and go with the load.
        package var scaling = Scaling()
        /// After so long Routers have heard of a change that are neither fed by this Deployer nor known to it. Old revisions are kept for
        /// ``drain`` then.
        package var hearsay: Duration = .milliseconds(500)

        /// The default times.
        package init() {}
    }

    let store: any FunctionStore
    let backend: any Backend
    let tags: any RevisionTags
    let hub: RouteHub
    let bases: BaseBook
    let lanes = Lanes()
    let gate = DeployGate()
    let logger: Logger
    let timing: Timing
    let metrics: DeployerMetrics
    let limits: DeployLimits
    let observer: (any RolloutObserver)?
    let routers: (any RouterCensus)?
    let trust: (any ImageTrust)?
    var serving: [FunctionName: ServingRecord] = [:]
    var endpoints: [WorkloadID: [Endpoint]] = [:]
    var retirements: [WorkloadID: Retirement] = [:]
    var knownTags: [FunctionName: Int] = [:]
    var baseImage: PinnedImage?
    var loads = LoadBook()
    var scales: [WorkloadID: ScaleState] = [:]
    /// Revisions that serve and have no instance, or are about to have none.
    var parked: Set<WorkloadID> = []
    var waking: [WorkloadID: Task<Void, Never>] = [:]
    /// When requests were last known to wait for a parked revision.
    var awaited: [WorkloadID: ContinuousClock.Instant] = [:]
    /// How canaries do, by function and number, as long as their traffic is divided so.
    var canaries: [FunctionName: [Int: CanaryJudge]] = [:]
    var wakeFailures: [WorkloadID: Int] = [:]
    var notices: [WorkloadID: RouteNotice] = [:]
    /// How many are bringing a workload up right now.
    var raising: [WorkloadID: Int] = [:]
    /// What an earlier Deployer recorded and did not finish. Read before the first call is taken: a deploy of this one is no leftover.
    var interrupted: [PendingRevision] = []
    /// Revisions whose tag the registry has not taken yet.
    var untagged: [RevisionID: Revision] = [:]

    /// A reconciler over its parts. With `routers`, those are asked whether they have switched; without, they are fed by the hub. With `trust`, only
    /// images that it lets through are recorded and rolled out.
    package init(
        store: any FunctionStore, backend: any Backend, tags: any RevisionTags, epoch: String,
        timing: Timing = Timing(), limits: DeployLimits = DeployLimits(), metrics: DeployerMetrics = DeployerMetrics(),
        observer: (any RolloutObserver)? = nil, routers: (any RouterCensus)? = nil,
        trust: (any ImageTrust)? = nil, logger: Logger
    ) {
        self.trust = trust
        self.observer = observer
        self.routers = routers
        self.store = store
        self.backend = backend
        self.tags = tags
        self.timing = timing
        self.metrics = metrics
        self.limits = limits
        self.logger = logger
        hub = RouteHub(epoch: epoch)
        bases = BaseBook(tags: tags)
    }

    /// Adopts what runs and publishes the first table; to be called before anything else. `base` is the base image that the
    /// checker runs from, when it is known from an earlier run; `overview` what the store says, when it has been read already.
    package func start(base: PinnedImage?, _ overview: StoreOverview? = nil) async throws {
        baseImage = base
        let overview = if let overview { overview } else { try await store.overview() }
        interrupted = overview.pending
        for revision in overview.untagged { untagged[revision.id] = revision }
        var desired: [Workload] = []
        for record in overview.serving {
            serving[record.name] = record
            desired += record.revisions.map { Workload($0) }
            // Known from the first table on, if without an instance yet: the Router holds requests instead of answering 404.
            await publish(record.name)
        }
        // First in the row of starts: without it nothing is deployed.
        if let base { desired.insert(checker(base), at: 0) }
        let parkable = desired.filter { $0.id != .checker && timing.scaling.idle($0.spec) != nil }.map(\.id)
        parked = try await backend.adopt(desired, parkable: Set(parkable))
        // Until now these passed for what starts.
        for case .revision(let id) in parked { await publish(id.function) }
        for record in overview.serving where record.split != nil { wakeSiblings(of: record.name) }
    }

    /// Follows the backend, resumes deploys that an earlier Deployer left, and repairs tags, until cancelled.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.followBackend() }
            group.addTask { await self.resumePending() }
            group.addTask { await self.repairTags() }
            group.addTask { await self.followLoad() }
            group.addTask {
                while !Task.isCancelled {
                    try? await Task.sleep(for: .seconds(2))
                    await self.hub.beat()
                }
            }
        }
    }

    /// The next ticket of `name`, with where to push and where the checker answers.
    package func ticket(for name: FunctionName) async throws -> Ticket {
        try await gate.pass()
        try await admit(name)
        let number = try await store.issueTicket(for: name)
        await gate.begin(name, number)
        return try await Ticket(
            number: number, repository: tags.repositories.repository(of: name), checker: checkerPlace(),
            signatureDemanded: trust == nil ? nil : true, live: serving[name]?.live?.image)
    }

    /// Where the checker answers. Waits up to five seconds for one that is being started; `nil` when none is there then.
    package func checkerPlace() async throws -> Endpoint? {
        let deadline = ContinuousClock.now.advanced(by: .seconds(5))
        while endpoints[.checker]?.first == nil, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))
        }
        return endpoints[.checker]?.first
    }

    /// Throws when nothing more can be taken in.
    private func admit(_ name: FunctionName) async throws {
        if let problem = limits.diskProblem() { throw problem }
        guard try await store.count() >= limits.functions, try await store.function(name) == nil else { return }
        throw limits.functionsProblem()
    }

    /// Nothing more will come of the deploy with this ticket.
    package func giveUp(_ ticket: Int, of name: FunctionName) async { await gate.end(name, ticket) }

    /// Runs the checker from `image` from now on.
    package func setBase(_ image: PinnedImage) async throws {
        guard image != baseImage || endpoints[.checker]?.isEmpty != false else { return }
        if baseImage != nil, image != baseImage { await backend.retire(.checker) }
        baseImage = image
        try await backend.rollOut(checker(image))
    }

    private func checker(_ base: PinnedImage) -> Workload {
        var spec = FunctionSpec()
        spec.maximumInstances = 1
        spec.network = .none
        spec.memoryBytes = limits.checkerBytes
        spec.cpuMillicores = 2000
        return Workload(id: .checker, image: base, spec: spec)
    }

    private func followBackend() async {
        for await event in backend.events {
            switch event {
            case .endpoints(let id, let list):
                endpoints[id] = list.isEmpty ? nil : list
                if case .revision(let revision) = id { await publish(revision.function) }
            }
        }
    }

    /// Publishes the route of `name` as it is now.
    @discardableResult
    func publish(_ name: FunctionName) async -> TableVersion {
        guard let record = serving[name] else { return await hub.set(name, nil) }
        let sharing = record.sharing
        let route = Route(
            targets: sharing.map { target($0, weight: sharing.count > 1 ? record.percent(of: $0.number) : 1) },
            pinned: record.revisions.filter { !sharing.contains($0) }.map { target($0, weight: 0) },
            sticky: sharing.count > 1 ? record.split?.sticky : nil)
        let isParked = record.live.map { parked.contains(.revision($0.id)) } ?? false
        await observer?.serving(name, route.targets.first, isParked: isParked, split: record.split)
        return await hub.set(name, route)
    }

    private func target(_ revision: Revision, weight: Int) -> RouteTarget {
        let id = WorkloadID.revision(revision.id)
        return RouteTarget(
            revision: revision.number, weight: weight, timeoutMilliseconds: revision.spec.timeoutSeconds * 1000,
            concurrency: revision.spec.concurrency, endpoints: parked.contains(id) ? [] : endpoints[id] ?? [],
            notice: notices[id], cors: revision.spec.cors)
    }

    /// Reads again from the store what serves for `name`, and publishes it.
    @discardableResult
    func refresh(_ name: FunctionName) async throws -> TableVersion {
        let record = try await store.function(name)
        let before = serving[name]
        serving[name] = record.flatMap { ServingRecord($0.summary, $0.revisions) }
        forgetParked(name, before)
        if before?.split != serving[name]?.split { canaries[name] = nil }
        return await publish(name)
    }
}

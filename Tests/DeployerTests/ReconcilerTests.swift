import Contract
import Logging
import Synchronization
import Testing

@testable import Deployer

@Suite struct ReconcilerTests {
    @Test func `a deploy answers when its revision serves, and the old one is retired`() async throws {
        try await withReconciler { reconciler, backend, _ in
            let first = try await reconciler.deploy("hello", "a")
            #expect(first.revision == 1 && first.serving && !first.unchanged)
            let second = try await reconciler.deploy("hello", "b")
            #expect(second.revision == 2 && second.serving)
            try await eventually { backend.running == ["hello@2"] }
        }
    }

    @Test func `a revision that does not come up leaves the old one serving and says why`() async throws {
        try await withReconciler { reconciler, backend, store in
            try await reconciler.deploy("hello", "a")
            backend.failNext(RolloutFailure(.crashed, "exit code 1", logs: ["boom"]))
            let problem = await #expect(throws: Problem.self) { try await reconciler.deploy("hello", "b") }
            #expect(problem?.status == 422)
            #expect(problem?.logs == ["boom"])
            #expect(backend.running == ["hello@1"])
            #expect(try await store.function(try name("hello"))?.summary.live?.number == 1)
        }
    }

    @Test func `a rollback goes to the one before, and the next deploy goes live again`() async throws {
        try await withReconciler { reconciler, backend, _ in
            try await reconciler.deploy("hello", "a")
            try await reconciler.deploy("hello", "b")
            let back = try await reconciler.rollback(try name("hello"), to: nil)
            #expect(back.revision == 1 && back.serving)
            try await eventually { backend.running == ["hello@1"] }
            #expect(try await reconciler.deploy("hello", "c").revision == 3)
        }
    }

    @Test func `two rollbacks in a row go back and forth`() async throws {
        try await withReconciler { reconciler, _, _ in
            try await reconciler.deploy("hello", "a")
            try await reconciler.deploy("hello", "b")
            #expect(try await reconciler.rollback(try name("hello"), to: nil).revision == 1)
            #expect(try await reconciler.rollback(try name("hello"), to: nil).revision == 2)
        }
    }

    @Test func `a rollback without a goal, of an unknown function and to an unknown revision are told apart`()
        async throws
    {
        try await withReconciler { reconciler, _, _ in
            try await reconciler.deploy("hello", "a")
            let nothing = await #expect(throws: Problem.self) {
                try await reconciler.rollback(try name("hello"), to: nil)
            }
            #expect(nothing?.status == 409)
            let unknown = await #expect(throws: Problem.self) {
                try await reconciler.rollback(try name("other"), to: nil)
            }
            #expect(unknown?.status == 404)
            let revision = await #expect(throws: Problem.self) {
                try await reconciler.rollback(try name("hello"), to: 9)
            }
            #expect(revision?.status == 404)
        }
    }

    @Test func `a rebake takes the place of what is live alone, and no deploy's`() async throws {
        try await withReconciler { reconciler, _, store in
            _ = try await reconciler.deploy("hello", "a")
            // A deploy that arrived before the rebake, and is ready after it.
            let early = try await store.issueTicket(for: name("hello"))
            func rebake(_ letter: Character, of replaced: Int) async throws -> DeployAnswer {
                let ticket = try await store.issueTicket(for: name("hello"))
                return try await reconciler.deploy(
                    name("hello"),
                    DeployRequest(
                        ticket: ticket, image: draft("hello", letter, ticket: ticket).image, spec: FunctionSpec(),
                        wait: true, timings: [:], replaces: replaced), requestID: "t")
            }
            let rebaked = try await rebake("b", of: 1)
            #expect(rebaked.revision == 2 && rebaked.serving && !rebaked.superseded)
            #expect(try await store.function(name("hello"))?.history.map(\.cause) == [.rebake, .deploy])
            #expect(try await rebake("b", of: 2).unchanged)
            let deployed = try await reconciler.deploy(
                name("hello"),
                DeployRequest(
                    ticket: early, image: draft("hello", "c", ticket: early).image, spec: FunctionSpec(), wait: true,
                    timings: [:]), requestID: "t")
            #expect(deployed.serving && !deployed.superseded)
            let problem = await #expect(throws: Problem.self) { try await rebake("d", of: 2) }
            #expect(problem?.status == 409 && problem?.kind == "superseded")
            #expect(try await store.function(name("hello"))?.summary.live?.number == deployed.revision)
        }
    }

    @Test func `deleting ends every workload of the function`() async throws {
        try await withReconciler { reconciler, backend, store in
            try await reconciler.deploy("hello", "a")
            try await reconciler.deploy("hello", "b")
            try await reconciler.pin(RevisionID(function: try name("hello"), number: 1))
            try await eventually { backend.running == ["hello@1", "hello@2"] }
            try await reconciler.delete(try name("hello"))
            try await eventually { backend.running.isEmpty }
            #expect(try await store.functions(after: nil, limit: 10).isEmpty)
        }
    }

    @Test func `the first table names every function, also one without an instance yet`() async throws {
        try await withStore { store in
            let revision = try await store.deployLive("hello", "a")
            let reconciler = Reconciler(
                store: store, backend: RecordingBackend(), tags: NoTags(), epoch: "e", logger: Logger(label: "test"))
            try await reconciler.start(base: nil)
            var stream = await reconciler.hub.subscribe("router").makeAsyncIterator()
            guard case .snapshot(_, let routes) = await stream.next() else { throw Unexpected() }
            #expect(routes[revision.function]?.targets.map(\.revision) == [1])
        }
    }

    @Test func `tags that are missing are added, but never that of a revision that is gone`() async throws {
        try await withStore { store in
            let (kept, gone) = (try await store.deployLive("kept", "a"), try await store.deployLive("gone", "b"))
            let tags = SlowTags()
            let reconciler = Reconciler(
                store: store, backend: RecordingBackend(), tags: tags, epoch: "e", logger: Logger(label: "test"))
            try await reconciler.start(base: nil)
            // The registry is away while another revision is recorded.
            let late = try await store.deployLive("late", "c")
            tags.isAway.withLock { $0 = true }
            await reconciler.tag(late)
            tags.isAway.withLock { $0 = false }
            _ = try await store.delete(gone.function, ticket: try await store.issueTicket(for: gone.function))
            let repairing = Task { await reconciler.repairTags() }
            try await eventually { await reconciler.untagged.isEmpty }
            repairing.cancel()
            #expect(tags.tagged.withLock { $0 } == [kept.id, late.id])
            #expect(try await store.untagged().isEmpty)
        }
    }

    @Test func `a deploy without waiting is resumed by the next Deployer`() async throws {
        try await withStore { store in
            let revision = try await store.deploy("hello", "a")
            let backend = RecordingBackend()
            let reconciler = Reconciler(
                store: store, backend: backend, tags: NoTags(), epoch: "e", logger: Logger(label: "test"))
            try await reconciler.start(base: nil)
            let running = Task { await reconciler.run() }
            try await eventually { backend.running == ["\(revision.id)"] }
            try await eventually { try await store.pending().isEmpty }
            #expect(try await store.serving().map(\.live) == [revision])
            running.cancel()
        }
    }

    @Test func `a roll-out that ends the Deployer again and again is given up`() async throws {
        try await withStore { store in
            let revision = try await store.deploy("hello", "a")
            for _ in 0..<3 { _ = try await store.countAttempt(revision.id) }
            let reconciler = Reconciler(
                store: store, backend: RecordingBackend(), tags: NoTags(), epoch: "e", logger: Logger(label: "test"))
            try await reconciler.start(base: nil)
            await reconciler.resumePending()
            #expect(try await store.function(revision.function)?.revisions.map(\.state) == [.failed])
        }
    }

    @Test func `a deploy that arrives before the leftovers are looked at is none of them`() async throws {
        try await withStore { store in
            let backend = RecordingBackend()
            let reconciler = Reconciler(
                store: store, backend: backend, tags: NoTags(), epoch: "e", logger: Logger(label: "test"))
            try await reconciler.start(base: nil)
            let revision = try await store.deploy("hello", "a")
            await reconciler.resumePending()
            #expect(backend.running.isEmpty)
            #expect(try await store.function(revision.function)?.revisions.map(\.state) == [.pending])
        }
    }
}

/// A backend that keeps only a list: the reconciler's order of calls is what is tested.
final class RecordingBackend: Backend {
    private struct State {
        var running: Set<String> = []
        var kept: Set<String> = []
        var failure: RolloutFailure?
        var retired: [String] = []
        var delay: Duration = .zero
    }

    let events: AsyncStream<WorkloadEvent>
    private let sink: AsyncStream<WorkloadEvent>.Continuation
    private let state = Mutex(State())

    init() { (events, sink) = AsyncStream.makeStream() }

    var running: [String] { state.withLock { $0.running.sorted() } }
    /// What there is anything of: what runs, and what was parked.
    var kept: [String] { state.withLock { $0.kept.sorted() } }
    var retired: [String] { state.withLock { $0.retired } }
    func slowDown(_ delay: Duration) { state.withLock { $0.delay = delay } }
    func failNext(_ failure: RolloutFailure) { state.withLock { $0.failure = failure } }

    func adopt(_ desired: [Workload], parkable: Set<WorkloadID>) async throws -> Set<WorkloadID> {
        for workload in desired where !parkable.contains(workload.id) { try await rollOut(workload) }
        return parkable
    }

    func scale(_ id: WorkloadID, to count: Int, drained: @escaping @Sendable (Set<String>) async -> Void) async {}
    func usage(of id: WorkloadID) async -> WorkloadUsage? { nil }

    func rollOut(_ workload: Workload) async throws {
        let delay = state.withLock { $0.delay }
        if delay > .zero { try await Task.sleep(for: delay) }
        let failure = state.withLock { state in
            defer { state.failure = nil }
            if state.failure == nil {
                state.running.insert(Self.text(workload.id))
                state.kept.insert(Self.text(workload.id))
            }
            return state.failure
        }
        if let failure { throw failure }
        let endpoint = Endpoint(id: Self.text(workload.id), address: .unix(path: "/" + Self.text(workload.id)))
        sink.yield(.endpoints(workload.id, [endpoint]))
    }

    func park(_ id: WorkloadID) async {
        let delay = state.withLock { $0.delay }
        if delay > .zero { try? await Task.sleep(for: delay) }
        _ = state.withLock { $0.running.remove(Self.text(id)) }
        sink.yield(.endpoints(id, []))
    }

    func retire(_ id: WorkloadID) async {
        state.withLock { state in
            state.running.remove(Self.text(id))
            state.kept.remove(Self.text(id))
            state.retired.append(Self.text(id))
        }
        sink.yield(.endpoints(id, []))
    }

    func status(of id: WorkloadID) async -> WorkloadStatus? { nil }
    func logs(of function: FunctionName, _ query: LogQuery) async -> AsyncStream<[LogLine]> {
        AsyncStream { $0.finish() }
    }

    private static func text(_ id: WorkloadID) -> String {
        if case .revision(let revision) = id { "\(revision)" } else { "checker" }
    }
}

/// Tags of a registry that may be away.
private final class SlowTags: RevisionTags {
    let repositories = RepositoryNames.standard
    let registry = "127.0.0.1:5080"
    let isAway = Mutex(false)
    let tagged = Mutex<[RevisionID]>([])

    func highestRevision(in repository: String) async throws -> Int { 0 }
    func has(_ image: PinnedImage) async throws -> Bool { true }
    func tag(_ revision: Revision) async throws {
        if isAway.withLock({ $0 }) { throw Unexpected() }
        tagged.withLock { $0.append(revision.id) }
    }
    func base(of image: PinnedImage) async throws -> Digest? { nil }
    func bases() async throws -> [BaseRecord] { [] }
    func currentBase() async throws -> Digest? { nil }
}

struct NoTags: RevisionTags {
    let repositories = RepositoryNames.standard
    let registry = "127.0.0.1:5080"
    func highestRevision(in repository: String) async throws -> Int { 0 }
    func has(_ image: PinnedImage) async throws -> Bool { true }
    func tag(_ revision: Revision) async throws {}
    func base(of image: PinnedImage) async throws -> Digest? { nil }
    func bases() async throws -> [BaseRecord] { [] }
    func currentBase() async throws -> Digest? { nil }
}

extension Reconciler {
    @discardableResult
    func deploy(
        _ function: String, _ letter: Character, _ spec: FunctionSpec = FunctionSpec()
    ) async throws -> DeployAnswer {
        let ticket = try await store.issueTicket(for: name(function))
        let draft = try draft(function, letter, ticket: ticket)
        return try await deploy(
            draft.function,
            DeployRequest(ticket: ticket, image: draft.image, spec: spec, wait: true, timings: [:]),
            requestID: "t")
    }
}

private func withReconciler(
    _ body: (Reconciler, RecordingBackend, any FunctionStore) async throws -> Void
) async throws {
    try await withStore { store in
        let backend = RecordingBackend()
        var timing = Reconciler.Timing()
        timing.drain = .milliseconds(50)
        timing.switchOver = .milliseconds(50)
        let reconciler = Reconciler(
            store: store, backend: backend, tags: NoTags(), epoch: "e", timing: timing, logger: Logger(label: "test"))
        try await reconciler.start(base: nil)
        let running = Task { await reconciler.run() }
        defer { running.cancel() }
        try await body(reconciler, backend, store)
    }
}

/// Waits until `condition` holds, at most `limit`.
func eventually(within limit: Duration = .seconds(5), _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while ContinuousClock.now < deadline {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(10))
    }
    #expect(try await condition())
}

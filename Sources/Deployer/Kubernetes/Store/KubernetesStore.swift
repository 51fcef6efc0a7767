import Contract
import Kubernetes

/// The function store of a cluster: the custom resources `functions.kiln.dev` and `functionrevisions.kiln.dev`, and counters that outlive
/// a function.
///
/// A call writes several objects, in an order in which each prefix is a state of its own that the next call goes on from; what counts
/// is decided by one write: a number by its counter, what is live by the function's status. Writes carry the version that was
/// read, so that of two writers one begins again. Nothing is cached: a call that returns has been written, and sees what was.
package struct KubernetesStore: FunctionStore {
    let api: APIClient
    let namespace: String
    let counters: NameCounters
    let marks = ListMarks()

    /// How often a call begins again because somebody else wrote first.
    static let attempts = 20
    /// How many lines of history a function keeps; the schema takes no more.
    static let historyLimit = 1000

    /// A store of the functions in `namespace`; the counters are in Kiln's own, `system`.
    package init(_ api: APIClient, namespace: String, system: String) {
        self.api = api
        self.namespace = namespace
        counters = NameCounters(api: api, namespace: system)
    }

    package func issueTicket(for name: FunctionName) async throws -> Int {
        try await counters.update(name) { counter in
            counter.highestTicket += 1
            return counter.highestTicket
        }
    }

    package func record(_ draft: RevisionDraft, floor: Int) async throws -> RecordOutcome {
        var draft = draft
        for _ in 0..<Self.attempts {
            guard draft.ticket > (try await counters.read(draft.function)).deletedTicket else { return .deleted }
            let known = try await object(draft.function)
            let superseded = draft.ticket < known?.status?.liveTicket ?? 0
            // What is superseded changes nothing of what is wanted.
            guard let function = superseded ? known : try await want(draft, known) else { continue }
            // With what others have set beside Kiln.
            if !superseded, let merged = function.spec?.configuration { draft.spec = merged }
            if !superseded, let live = try await live(of: function), live.image.digest == draft.image.digest,
                live.spec == draft.spec
            {
                var held = function
                held.status?.liveTicket = draft.ticket
                held.status?.observedGeneration = held.metadata.generation
                guard try await writeStatus(held) else { continue }
                return .unchanged(live)
            }
            let number = try await counters.update(draft.function) { counter in
                counter.highestRevision = max(counter.highestRevision, floor) + 1
                return counter.highestRevision
            }
            let revision = Revision(
                function: draft.function, number: number, image: draft.image, spec: draft.spec, created: draft.now)
            _ = try await api.create(
                FunctionRevisionObject(
                    revision, owner: function, ticket: draft.ticket, share: draft.share, namespace: namespace))
            // Without a state it is pending.
            if superseded { try await note(revision.id) { $0.state = .superseded } }
            // Last: a Deployer that dies before this is followed by one that looks at the object again, and finds the revision.
            if !superseded { try await observed(function) }
            return superseded ? .superseded(revision) : .pending(revision)
        }
        throw Self.contended(draft.function)
    }

    package func goLive(
        _ id: RevisionID, split: TrafficSplit?, ticket: Int, cause: LiveCause, reason: String?
    ) async throws -> GoLiveOutcome {
        for _ in 0..<Self.attempts {
            guard var function = try await object(id.function),
                ticket > (try await counters.read(id.function)).deletedTicket
            else { return .deleted }
            var status = function.status ?? .init()
            guard ticket >= status.liveTicket ?? 0 else {
                try await note(id) { if $0.state ?? .pending == .pending { $0.state = .superseded } }
                return .superseded
            }
            let previous = status.live
            status.live = id.number
            status.split = split
            status.liveTicket = ticket
            let entry = HistoryEntry(
                revision: id.number, at: .now(), cause: cause, traffic: split?.shares, reason: reason)
            status.history = ((status.history ?? []) + [entry]).suffix(Self.historyLimit)
            function.status = status
            guard try await writeStatus(function) else { continue }
            for number in split?.shares.map(\.revision) ?? [id.number] {
                try await note(RevisionID(function: id.function, number: number)) {
                    $0.state = .ready
                    $0.failure = nil
                }
            }
            return .live(previous: previous == id.number ? nil : previous)
        }
        throw Self.contended(id.function)
    }

    package func fail(_ id: RevisionID, reason: String) async throws {
        try await note(id) { status in
            guard status.state ?? .pending == .pending else { return }
            status.state = .failed
            status.failure = String(reason.prefix(32_000))
        }
    }

    package func countAttempt(_ id: RevisionID) async throws -> Int {
        try await note(id) { $0.attempts = ($0.attempts ?? 0) + 1 }?.attempts ?? 0
    }

    package func setPinned(_ id: RevisionID, _ pinned: Bool) async throws -> Bool {
        try await note(id) { $0.pinned = pinned } != nil
    }

    package func markTagged(_ id: RevisionID) async throws { try await note(id) { $0.tagged = true } }

    package func delete(_ name: FunctionName, ticket: Int) async throws -> Bool {
        // First, so that a deploy under way records nothing once the function is gone.
        try await counters.update(name) { $0.deletedTicket = max($0.deletedTicket, ticket) }
        guard try await object(name) != nil else { return false }
        // Before the function, because the server ends what it owns later than now.
        for revision in try await revisions(of: name) {
            _ = try await api.delete(FunctionRevisionObject.self, revision.key.name, in: namespace)
        }
        return try await api.delete(FunctionObject.self, name.value, in: namespace) != .absent
    }

    package func collect(_ numbers: Set<Int>, of name: FunctionName) async throws -> [Revision] {
        for _ in 0..<Self.attempts {
            guard var function = try await object(name) else { return [] }
            let unused = try await revisions(of: name).filter { object in
                guard let number = object.spec?.number, numbers.contains(number) else { return false }
                return object.status?.pinned != true && object.state(function) != .pending
                    && number != function.status?.live && function.status?.split?.percent(of: number) == nil
            }
            guard let highest = unused.compactMap(\.spec?.number).max() else { return [] }
            // What is ready only by the history must not become pending when it is taken out of it.
            for object in unused where object.status?.state ?? .pending == .pending {
                try await note(try object.revision().id) { $0.state = .ready }
            }
            let gone = Set(unused.compactMap(\.spec?.number))
            var status = function.status ?? .init()
            status.history?.removeAll { gone.contains($0.revision) }
            status.collected = max(status.collected ?? 0, highest)
            function.status = status
            guard try await writeStatus(function) else { continue }
            var removed: [Revision] = []
            for object in unused where try await remove(object) { removed.append(try object.revision()) }
            return removed.sorted { $0.number > $1.number }
        }
        throw Self.contended(name)
    }
}

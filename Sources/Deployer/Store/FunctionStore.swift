import Contract

/// What the Deployer remembers: functions, their revisions and history, and the order of deploys.
///
/// On one machine SQLite, in a cluster custom resources; the same suite tests both. Every call is one transaction: it happens whole
/// or not at all, and when it has returned, it is on disk.
package protocol FunctionStore: Sendable {
    /// The next ticket of `name`: higher than every one before, also after delete and re-create.
    func issueTicket(for name: FunctionName) async throws -> Int

    /// Records a deploy under its ticket. `floor` is the highest revision number seen elsewhere (the registry's `r<N>` tags).
    func record(_ draft: RevisionDraft, floor: Int) async throws -> RecordOutcome

    /// Makes `revision` the live one, with all the traffic or its share of `split`, and appends to the history, unless a higher ticket
    /// has gone live or the function is gone. What else is in `split` has been live from then on.
    func goLive(
        _ revision: RevisionID, split: TrafficSplit?, ticket: Int, cause: LiveCause, reason: String?
    ) async throws -> GoLiveOutcome

    /// Notes why `revision` did not come up.
    func fail(_ revision: RevisionID, reason: String) async throws

    /// Counts an attempt to roll out a pending revision and returns how many there have been, this one included.
    func countAttempt(_ revision: RevisionID) async throws -> Int

    /// One function with everything about it; `nil` when there is none.
    func function(_ name: FunctionName) async throws -> FunctionRecord?

    /// At most `limit` functions with their live revision, by name: those after the name `after`, or the first ones.
    func functions(after: FunctionName?, limit: Int) async throws -> [FunctionSummary]

    /// The names of all functions.
    func names() async throws -> [FunctionName]

    /// All functions with everything about them.
    func records() async throws -> [FunctionRecord]

    /// How many functions there are.
    func count() async throws -> Int

    /// The live and the pinned revisions of all functions: what has to run.
    func serving() async throws -> [ServingRecord]

    /// Revisions that were recorded and have neither gone live nor failed, with their tickets.
    func pending() async throws -> [PendingRevision]

    /// Lets `revision` answer under `/fn/NAME@R`, or no longer. `false` when there is no such revision.
    func setPinned(_ revision: RevisionID, _ pinned: Bool) async throws -> Bool

    /// Removes a function with its revisions and history; its numbers and tickets are not used again. Returns whether there was one.
    func delete(_ name: FunctionName, ticket: Int) async throws -> Bool

    /// Forgets the revisions `numbers` of `name` for good, but those that serve or are pinned or pending by now. Their numbers are not used
    /// again. Returns what was forgotten.
    func collect(_ numbers: Set<Int>, of name: FunctionName) async throws -> [Revision]

    /// What a Deployer has to know when it starts.
    func overview() async throws -> StoreOverview

    /// Revisions whose `r<N>` tag has not been seen in the registry.
    func untagged() async throws -> [Revision]

    /// Notes that the registry has the tag of `revision`.
    func markTagged(_ revision: RevisionID) async throws
}

/// A deploy that is about to be recorded.
package struct RevisionDraft: Sendable {
    /// The function.
    package var function: FunctionName
    /// The pushed image.
    package var image: PinnedImage
    /// The configuration to freeze.
    package var spec: FunctionSpec
    /// The place in the order of arrival.
    package var ticket: Int
    /// The time to record.
    package var now: Timestamp
    /// Where it comes from; of no meaning to a store in which only Kiln writes.
    package var source: Source
    /// What it gets of the traffic once it is ready; `nil` for all.
    package var share: CanaryShare?

    /// Where a deploy comes from.
    package enum Source: Sendable, Hashable {
        /// `POST /func`; `force` takes what others have set of the function's object.
        case call(force: Bool)
        /// The function's object, which somebody has changed.
        case object
    }

    /// A deploy of `image`.
    package init(
        function: FunctionName, image: PinnedImage, spec: FunctionSpec, ticket: Int, now: Timestamp,
        source: Source = .call(force: false), share: CanaryShare? = nil
    ) {
        self.share = share
        self.source = source
        self.function = function
        self.image = image
        self.spec = spec
        self.ticket = ticket
        self.now = now
    }
}

/// What became of a deploy when it was recorded.
package enum RecordOutcome: Sendable, Hashable {
    /// A new revision, to be rolled out.
    case pending(Revision)
    /// The live revision has the same image and configuration.
    case unchanged(Revision)
    /// A new revision that gets no traffic: a later deploy is live.
    case superseded(Revision)
    /// The function was deleted after this deploy had arrived; nothing was recorded.
    case deleted
}

/// What became of a revision that came up.
package enum GoLiveOutcome: Sendable, Hashable {
    /// It is live; the revision that was live before, if any.
    case live(previous: Int?)
    /// A higher ticket has gone live.
    case superseded
    /// The function is gone.
    case deleted
}

/// Why a revision went live.
package enum LiveCause: String, Sendable, Codable {
    /// A deploy.
    case deploy
    /// A rollback.
    case rollback
    /// The live revision made again on another base image.
    case rebake
    /// A call that divided the traffic, or ended that.
    case traffic
    /// A canary that failed too often.
    case stepBack = "step-back"

    /// What stands after `by a`.
    var words: String { self == .traffic ? "change of the traffic" : rawValue }
}

/// How a revision fares.
package enum RevisionState: String, Sendable, Codable {
    /// Recorded, being rolled out.
    case pending
    /// It has been live.
    case ready
    /// It did not come up.
    case failed
    /// A later deploy went live before it.
    case superseded
}

/// A function in a list.
package struct FunctionSummary: Sendable, Hashable {
    /// Its name.
    package var name: FunctionName
    /// When it was first deployed.
    package var created: Timestamp
    /// The live revision; `nil` until one has come up.
    package var live: Revision?
    /// How the traffic is divided, the live revision being one of several; `nil` while it has all.
    package var split: TrafficSplit?
}

/// A revision as remembered.
package struct RevisionRecord: Sendable, Hashable {
    /// The revision.
    package var revision: Revision
    /// How it fares.
    package var state: RevisionState
    /// Why it failed.
    package var failure: String?
    /// Whether it answers under its number.
    package var pinned: Bool
}

/// One line of a function's history.
package struct HistoryEntry: Sendable, Hashable, Codable {
    /// The revision that went live.
    package var revision: Int
    /// When.
    package var at: Timestamp
    /// By what.
    package var cause: LiveCause
    /// The shares of the revisions that were live with it; absent when it had all the traffic.
    package var traffic: [TrafficSplit.Share]?
    /// Why, when that was the platform's own decision.
    package var reason: String?

    /// Whether revision `number` was live with it, or had a part in the traffic.
    func served(_ number: Int) -> Bool { revision == number || traffic?.contains { $0.revision == number } == true }
}

/// Everything about a function.
package struct FunctionRecord: Sendable, Hashable {
    /// Its name and live revision.
    package var summary: FunctionSummary
    /// All revisions, newest first.
    package var revisions: [RevisionRecord]
    /// What has been live, newest first.
    package var history: [HistoryEntry]
    /// The highest number among the revisions that garbage collection removed; 0 when it removed none.
    package var collected = 0
    /// The ticket of what is live; 0 while nothing is.
    package var liveTicket = 0
}

/// What has to run for one function.
package struct ServingRecord: Sendable, Hashable {
    /// The function.
    package var name: FunctionName
    /// The live revision.
    package var live: Revision?
    /// The pinned ones, which have no part in the traffic.
    package var pinned: [Revision]
    /// How the traffic is divided between the live revision and ``others``; `nil` while it has all.
    package var split: TrafficSplit?
    /// What else is in ``split``, by number.
    package var others: [Revision] = []

    /// All of them.
    package var revisions: [Revision] { [live].compactMap(\.self) + others + pinned }
}

/// What a Deployer has to know when it starts.
package struct StoreOverview: Sendable, Hashable {
    /// As ``FunctionStore/serving()`` has it.
    package var serving: [ServingRecord]
    /// As ``FunctionStore/pending()`` has it.
    package var pending: [PendingRevision]
    /// As ``FunctionStore/untagged()`` has it.
    package var untagged: [Revision]
}

extension FunctionStore {
    /// As ``goLive(_:split:ticket:cause:reason:)``, with all the traffic.
    package func goLive(_ revision: RevisionID, ticket: Int, cause: LiveCause) async throws -> GoLiveOutcome {
        try await goLive(revision, split: nil, ticket: ticket, cause: cause, reason: nil)
    }

    package func overview() async throws -> StoreOverview {
        StoreOverview(serving: try await serving(), pending: try await pending(), untagged: try await untagged())
    }
}

/// A revision that waits for its roll-out.
package struct PendingRevision: Sendable, Hashable {
    /// The revision.
    package var revision: Revision
    /// The ticket it was recorded under.
    package var ticket: Int
    /// What it gets of the traffic once it is ready; `nil` for all.
    package var share: CanaryShare?
}

/// A store that functions of another platform can be brought into.
package protocol ImportingStore: FunctionStore {
    /// Records a function of another platform whose images are in `registry`; `false` when there is one of that name.
    func adopt(_ function: FunctionSnapshot, images: ImagePlace) async throws -> Bool
}

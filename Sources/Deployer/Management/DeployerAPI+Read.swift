import Contract
import NIOHTTP1
import Service

extension DeployerAPI {
    /// A function in the answer to `GET /func`.
    struct FunctionListing: Encodable {
        var name: FunctionName
        var revision: Int?
        var image: PinnedImage?
        var created: Timestamp
        var deployed: Timestamp?
        var ready: Int
        var desired: Int
        var restarts: Int
        var lastFailure: String?
        var url: String
        /// Whether it has no instance because nobody has called it for a while: the next request starts one.
        var parked = false
        var min: Int?
        var max: Int?
        /// Why there are fewer instances than the load asks for.
        var limited: String?
        /// Limits that instances of the live revision have met; absent when there are none.
        var warnings: [String]?
        var load: Load?
        var spec: FunctionSpec?
        /// The digest of the base image that the live revision stands on, as far as it is known.
        var base: Digest?
        /// Whether new deploys get another base image; absent when not.
        var outdated: Bool?
        var pinned: [Int]?
        /// The revisions that share the traffic; absent while the live one has all of it.
        var traffic: [TrafficPart]?
        /// What keeps a client on its revision.
        var sticky: Stickiness?
        /// When all of it goes back to the live revision.
        var stepBack: StepBack?
        /// The last change of the traffic, when that was the platform's own.
        var steppedBack: SteppedBack?
        /// The last deploy, when it is not the one that is live.
        var latest: Latest?
    }

    /// That all traffic went back to the live revision.
    struct SteppedBack: Encodable {
        var at: Timestamp
        var reason: String
    }

    /// A revision that shares the traffic.
    struct TrafficPart: Encodable {
        var revision: Int
        var percent: Int
        var ready: Int
        var desired: Int
        var parked: Bool
        var load: Load
    }

    /// What the Routers said last, over about a second.
    struct Load: Encodable {
        /// Requests at instances, on average.
        var inFlight: Double
        /// Requests that wait for a place, on average.
        var held: Double
        /// Requests given to instances per second.
        var requestsPerSecond: Double
    }

    /// How the last deploy fares.
    struct Latest: Encodable {
        var revision: Int
        var state: RevisionState
        var failure: String?
    }

    /// A revision in the answer to `GET /func/N/revisions`.
    struct RevisionListing: Encodable {
        var revision: Int
        var image: PinnedImage
        var created: Timestamp
        var state: RevisionState
        var failure: String?
        var live: Bool
        var pinned: Bool
        /// Its share of divided traffic.
        var percent: Int?
        var spec: FunctionSpec
    }

    private struct RevisionList: Encodable {
        var name: FunctionName
        var revisions: [RevisionListing]
        var history: [HistoryEntry]
    }

    func show(_ name: FunctionName) async throws -> ServiceResponse {
        guard let record = try await reconciler.store.function(name) else { throw Reconciler.unknown(name) }
        if let live = record.summary.live { await reconciler.backend.watchLimits(of: .revision(live.id)) }
        var listing = await listing(record.summary)
        listing.spec = record.summary.live?.spec
        listing.pinned = record.revisions.filter(\.pinned).map(\.revision.number)
        if let last = record.revisions.first, last.revision.number != listing.revision,
            record.summary.split?.percent(of: last.revision.number) == nil
        {
            listing.latest = Latest(revision: last.revision.number, state: last.state, failure: last.failure)
        }
        if let last = record.history.first, last.cause == .stepBack {
            listing.steppedBack = SteppedBack(at: last.at, reason: last.reason ?? "")
        }
        var listings = [listing]
        await noteBases(&listings)
        return try .json(listings[0])
    }

    func revisions(_ name: FunctionName) async throws -> ServiceResponse {
        guard let record = try await reconciler.store.function(name) else { throw Reconciler.unknown(name) }
        let live = record.summary.live?.number
        return try .json(
            RevisionList(
                name: name,
                revisions: record.revisions.map {
                    RevisionListing(
                        revision: $0.revision.number, image: $0.revision.image, created: $0.revision.created,
                        state: $0.state, failure: $0.failure, live: $0.revision.number == live, pinned: $0.pinned,
                        percent: record.summary.split?.percent(of: $0.revision.number), spec: $0.revision.spec)
                }, history: record.history))
    }

    func listing(_ summary: FunctionSummary) async -> FunctionListing {
        var status: WorkloadStatus?
        var load: Load?
        var parked = false
        if let live = summary.live {
            status = await reconciler.backend.status(of: .revision(live.id))
            parked = await reconciler.parked.contains(.revision(live.id))
            load = Load(await reconciler.load(of: live.id))
        }
        let spec = summary.live?.spec
        var listing = FunctionListing(
            name: summary.name, revision: summary.live?.number, image: summary.live?.image, created: summary.created,
            deployed: summary.live?.created, ready: status?.ready ?? 0, desired: status?.desired ?? 0,
            restarts: status?.restarts ?? 0, lastFailure: status?.lastFailure, url: "/fn/\(summary.name)",
            parked: parked, min: spec?.minimumInstances, max: spec?.maximumInstances, limited: status?.limited,
            warnings: status.flatMap { $0.warnings.isEmpty ? nil : $0.warnings }, load: load)
        if let split = summary.split {
            listing.traffic = []
            listing.sticky = split.sticky
            listing.stepBack = split.stepBack
            for share in split.shares { listing.traffic?.append(await part(share, of: summary.name)) }
        }
        return listing
    }

    private func part(_ share: TrafficSplit.Share, of name: FunctionName) async -> TrafficPart {
        let id = RevisionID(function: name, number: share.revision)
        let status = await reconciler.backend.status(of: .revision(id))
        return TrafficPart(
            revision: share.revision, percent: share.percent, ready: status?.ready ?? 0, desired: status?.desired ?? 0,
            parked: await reconciler.parked.contains(.revision(id)), load: Load(await reconciler.load(of: id)))
    }

    static func flag(_ request: ServiceRequest, _ item: String) throws(Problem) -> Bool {
        switch try request.queryItem(item) {
        case nil, "false": return false
        case "true", "": return true
        default: throw Problem("invalid-option", 400, "Invalid option", "Option '\(item)' takes true or false.")
        }
    }
}

extension DeployerAPI.Load {
    init(_ load: RevisionLoad) {
        inFlight = (load.inFlight * 100).rounded() / 100
        held = (load.held * 100).rounded() / 100
        requestsPerSecond = Double(load.started)
    }
}

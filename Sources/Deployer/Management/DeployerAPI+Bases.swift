import Contract
import Service

extension DeployerAPI {
    /// The longest that `GET /base` waits for what is not known yet.
    private static let basePatience = Duration.seconds(20)

    /// A base image in the answer to `GET /base`.
    private struct BaseListing: Encodable {
        var digest: Digest
        var deno: String?
        var platform: String?
        var since: Timestamp?
        /// Whether new deploys get it.
        var current: Bool
        /// Functions whose live revision stands on it.
        var functions: Int
        /// Revisions that stand on it.
        var revisions: Int
    }

    private struct BaseList: Encodable {
        var bases: [BaseListing]
        /// Revisions of which it is not known (yet) what they stand on; absent for none.
        var unknown: Int?
    }

    /// `GET /base`: the base images, and how much stands on each.
    func listBases(_ request: ServiceRequest) async throws -> ServiceResponse {
        guard request.method == "GET" || request.method == "HEAD" else {
            throw Self.notAllowed(request, "GET, HEAD, POST")
        }
        try request.allowQueryItems([])
        var listings: [Digest: BaseListing] = [:]
        let stored = try await reconciler.tags.bases()
        for base in stored {
            listings[base.digest] = BaseListing(
                digest: base.digest, deno: base.deno, platform: base.platform, since: base.since,
                current: base.isCurrent,
                functions: 0, revisions: 0)
        }
        var revisions: [(image: PinnedImage, isLive: Bool)] = []
        for name in try await reconciler.store.names() {
            guard let record = try await reconciler.store.function(name) else { continue }
            let live = record.summary.live?.number
            revisions += record.revisions.map { (image: $0.revision.image, isLive: $0.revision.number == live) }
        }
        let found = await reconciler.bases.bases(of: revisions.map { $0.image }, patience: Self.basePatience)
        var unknown = 0
        for (image, isLive) in revisions {
            guard let base = found[image.digest] else {
                unknown += 1
                continue
            }
            var listing = listings[base] ?? BaseListing(digest: base, current: false, functions: 0, revisions: 0)
            listing.revisions += 1
            if isLive { listing.functions += 1 }
            listings[base] = listing
        }
        let sorted = listings.values.sorted { one, other in
            if one.current != other.current { return one.current }
            let (first, second) = (one.since?.milliseconds ?? 0, other.since?.milliseconds ?? 0)
            return first == second ? one.digest.hex < other.digest.hex : first > second
        }
        return try .json(BaseList(bases: sorted, unknown: unknown == 0 ? nil : unknown))
    }

    /// `GET /internal/functions/NAME/live`: the live revision, for a Builder that is to make it again.
    func live(_ name: FunctionName) async throws -> ServiceResponse {
        guard let record = try await reconciler.store.function(name) else { throw Reconciler.unknown(name) }
        guard let live = record.summary.live else {
            throw Problem(
                "never-live", 409, "Never live",
                "No revision of '\(name)' has been live yet: there is nothing to rebake.")
        }
        return try .json(live)
    }

    /// Notes in `listings` which functions stand on a base image that new deploys do not get any more.
    func noteBases(_ listings: inout [FunctionListing]) async {
        let images = listings.compactMap(\.image)
        // A registry that does not answer is no reason not to tell what runs.
        guard !images.isEmpty, let current = try? await reconciler.currentBase() else { return }
        let found = await reconciler.bases.bases(of: images)
        for index in listings.indices {
            guard let image = listings[index].image, let base = found[image.digest] else { continue }
            listings[index].base = base
            listings[index].outdated = base == current ? nil : true
        }
    }
}

extension Reconciler {
    /// The base image that new deploys get; `nil` while no Builder has said so.
    func currentBase() async throws -> Digest? {
        if let baseImage { return baseImage.digest }
        return try await tags.currentBase()
    }
}

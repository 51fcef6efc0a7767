import Contract
import OCI

/// What an archive of a platform holds besides images and secrets: its file `kiln.json`.
package struct StateArchive: Hashable, Sendable, Codable {
    /// The file's name.
    package static let file = "kiln.json"
    /// The form that this Kiln writes; it reads this and earlier ones.
    package static let currentFormat = 1

    /// The form.
    package var format = StateArchive.currentFormat
    /// The Kiln that wrote it.
    package var kiln: String
    /// When.
    package var created: Timestamp
    /// The functions, by name.
    package var functions: [FunctionSnapshot]
    /// The highest revision numbers by name, also of functions that were deleted: they are not used again.
    package var numbers: [String: Int]

    /// An archive that `kiln` writes now.
    package init(kiln: String, functions: [FunctionSnapshot], numbers: [String: Int]) {
        self.kiln = kiln
        created = .now()
        self.functions = functions
        self.numbers = numbers
    }
}

/// A repository with the images of a function.
package struct ImagePlace: Hashable, Sendable, Codable {
    /// The registry's authority, as in image references.
    package var registry: String
    /// The repository.
    package var repository: String

    /// The images in `repository` of `registry`.
    package init(registry: String, repository: String) {
        self.registry = registry
        self.repository = repository
    }

    /// Where `registry` has the images of `name`.
    package init(of name: FunctionName, in registry: RegistryEndpoint) {
        self.registry = registry.name
        repository = registry.repositories.repository(of: name)
    }
}

/// A function with all its revisions and its history, as it moves from one platform to another.
package struct FunctionSnapshot: Hashable, Sendable, Codable {
    /// The most bytes that one has as JSON (`POST /internal/import`): revisions have a configuration of at most some 100 KiB each.
    package static let limit = 256 << 20

    /// One revision.
    package struct Item: Hashable, Sendable, Codable {
        /// Its number.
        package var number: Int
        /// Its image.
        package var digest: Digest
        /// Its configuration.
        package var spec: FunctionSpec
        /// When it was recorded.
        package var created: Timestamp
        /// How it fares.
        package var state: RevisionState
        /// Why it failed.
        package var failure: String?
        /// Whether it answers under its number.
        package var pinned: Bool
    }

    /// Its name.
    package var name: FunctionName
    /// When it was first deployed.
    package var created: Timestamp
    /// The live revision's number.
    package var live: Int?
    /// How the traffic is divided; absent while the live revision has all.
    package var split: TrafficSplit?
    /// The highest number that garbage collection removed.
    package var collected: Int
    /// Its revisions, newest first.
    package var revisions: [Item]
    /// What was live, newest first.
    package var history: [HistoryEntry]

    init(_ record: FunctionRecord) {
        name = record.summary.name
        created = record.summary.created
        live = record.summary.live?.number
        split = record.summary.split
        collected = record.collected
        history = record.history
        revisions = record.revisions.map { entry in
            // A roll-out that was under way is nothing to go on with elsewhere.
            let isPending = entry.state == .pending
            return Item(
                number: entry.revision.number, digest: entry.revision.image.digest, spec: entry.revision.spec,
                created: entry.revision.created, state: isPending ? .failed : entry.state,
                failure: isPending ? "It was being rolled out when the platform was exported." : entry.failure,
                pinned: entry.pinned)
        }
    }
}

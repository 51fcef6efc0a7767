import Contract

/// What a garbage collection removed, or in a dry run would remove; the answer to `POST /gc`.
package struct CollectionReport: Hashable, Sendable, Codable {
    /// A revision that goes.
    package struct Item: Hashable, Sendable, Codable {
        /// The function.
        package var name: FunctionName
        /// The revision's number, which is not used again.
        package var revision: Int
        /// How it fared.
        package var state: RevisionState
        /// When it was recorded.
        package var created: Timestamp
        /// Its image. It stays when a revision that stays has it too.
        package var image: PinnedImage
    }

    /// How many things of a kind, and their bytes.
    package struct Tally: Hashable, Sendable, Codable {
        /// How many.
        package var count = 0
        /// Bytes on disk.
        package var bytes = 0

        /// `count` things of `bytes` bytes together.
        package init(count: Int = 0, bytes: Int = 0) {
            self.count = count
            self.bytes = bytes
        }

        /// Counts one more, of `size` bytes.
        mutating func add(_ size: Int) {
            count += 1
            bytes += size
        }
    }

    /// Nothing was changed.
    package var dryRun: Bool
    /// The revisions, by function, newest first.
    package var revisions: [Item] = []
    /// Images in the registry: of these revisions, of deleted functions, and of builds that never became a revision. `bytes` are
    /// the blobs that no image which stays has.
    package var images = Tally()
    /// Unpacked layers on this machine.
    package var layers = Tally()
    /// Copies of blobs on this machine.
    package var blobs = Tally()
    /// Logs of deleted functions.
    package var logs = Tally()
    /// Copies of the store from before upgrades, and what a crash left half-written.
    package var leftovers = Tally()
    /// All bytes together.
    package var bytes = 0
    /// Functions that were being deployed: their images are looked at next time.
    package var skipped: [FunctionName] = []
    /// Sentences about what could not be done.
    package var notes: [String] = []
    /// How long it took.
    package var milliseconds: Double = 0

    /// An empty report.
    package init(dryRun: Bool) { self.dryRun = dryRun }

    mutating func sum() { bytes = [images, layers, blobs, logs, leftovers].reduce(0) { $0 + $1.bytes } }

    /// How many things went, revisions not counted.
    package var count: Int { [images, layers, blobs, logs, leftovers].reduce(0) { $0 + $1.count } }

    /// Whether there was nothing to do.
    package var isEmpty: Bool { revisions.isEmpty && count == 0 }
}

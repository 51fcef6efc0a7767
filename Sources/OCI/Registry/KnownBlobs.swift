internal import Contract
import Synchronization

/// Which blobs were seen in which repository. Only presence is remembered: what was missing may have come since.
final class KnownBlobs: Sendable {
    private struct Place: Hashable {
        var repository: String
        var digest: Digest
    }

    /// Some 20 MB; a full memory is emptied, which costs requests and never correctness.
    private static let capacity = 100_000
    private let places = Mutex(Set<Place>())

    func contains(_ digest: Digest, in repository: String) -> Bool {
        places.withLock { $0.contains(Place(repository: repository, digest: digest)) }
    }

    func insert(_ digest: Digest, in repository: String) {
        places.withLock { places in
            if places.count >= Self.capacity { places.removeAll() }
            places.insert(Place(repository: repository, digest: digest))
        }
    }

    /// The registry turned out to have lost blobs.
    func forget(_ repository: String) {
        places.withLock { places in places = places.filter { $0.repository != repository } }
    }
}

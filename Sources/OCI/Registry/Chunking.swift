import Synchronization

/// What a registry has let us know about the size of uploads.
final class Chunking: Sendable {
    /// The first size tried when a whole blob is refused, in bytes: what the pickiest of the large registries takes.
    static let usual = 4 << 20
    /// Below this a registry that still refuses is given up, in bytes.
    static let least = 64 << 10
    /// The largest least size that a registry may demand, in bytes: a part is held in memory.
    static let most = 64 << 20

    private let size = Mutex<Int?>(nil)

    /// Bytes of one request; `nil` while blobs may go whole.
    var limit: Int? { size.withLock { $0 } }

    /// `bytes` in one request were refused with 413; `false` if there is nothing smaller to try.
    func refused(_ bytes: Int) -> Bool {
        size.withLock { size in
            let smaller = min(Self.usual, min(size ?? bytes, bytes) / 2)
            guard smaller >= Self.least else { return false }
            size = min(size ?? smaller, smaller)
            return true
        }
    }
}

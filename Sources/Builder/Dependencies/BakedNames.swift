import Contract
import Synchronization

/// Remembers what is baked into images, so that an unchanged deploy does not read its image from the registry to tell it.
final class BakedNames: Sendable {
    /// Most names that are remembered, of all images together.
    static let capacity = 50_000

    private struct State {
        var names: [Digest: (names: [String], used: Int)] = [:]
        var count = 0
        var uses = 0
    }

    private let state = Mutex(State())

    /// The names of what is in the image with `digest`; finds them out with `work` if they are not known.
    func names(in digest: Digest, _ work: () async throws -> [String]) async throws -> [String] {
        let known = state.withLock { state in
            state.uses += 1
            state.names[digest]?.used = state.uses
            return state.names[digest]?.names
        }
        if let known { return known }
        let names = try await work()
        keep(names, of: digest)
        return names
    }

    /// Remembers the `names` of what is in the image with `digest`. What was asked for longest ago is forgotten when they are too many.
    func keep(_ names: [String], of digest: Digest) {
        // An image counts even when it has nothing baked.
        guard names.count < Self.capacity / 4 else { return }
        state.withLock { state in
            state.uses += 1
            state.count += names.count - (state.names[digest]?.names.count ?? -1)
            state.names[digest] = (names, state.uses)
            while state.count > Self.capacity {
                guard let oldest = state.names.min(by: { $0.value.used < $1.value.used }) else { break }
                state.names[oldest.key] = nil
                state.count -= oldest.value.names.count + 1
            }
        }
    }
}

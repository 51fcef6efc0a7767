import Synchronization

/// Hands out user ids of which no two running instances have the same.
final class UserIDs: Sendable {
    /// How many ids there are from the first one upwards.
    static let count: UInt32 = 20_000

    private struct State {
        var next: UInt32 = 0
        var used: Set<UInt32> = []
    }

    private let first: UInt32
    private let state = Mutex(State())

    init(first: UInt32) { self.first = first }

    /// An id that nobody has, given back as long ago as possible.
    func take() throws(DeployerError) -> UInt32 {
        let found = state.withLock { state -> UInt32? in
            for step in 0..<Self.count {
                let candidate = first + (state.next + step) % Self.count
                guard state.used.insert(candidate).inserted else { continue }
                state.next = (candidate - first + 1) % Self.count
                return candidate
            }
            return nil
        }
        guard let found else { throw DeployerError(.runtime, "All \(Self.count) user ids of instances are in use.") }
        return found
    }

    /// Marks the id of an adopted instance.
    func mark(_ id: UInt32) { state.withLock { _ = $0.used.insert(id) } }

    /// Gives an id back.
    func giveBack(_ id: UInt32) { state.withLock { _ = $0.used.remove(id) } }
}

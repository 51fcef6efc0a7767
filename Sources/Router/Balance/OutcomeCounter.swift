import Synchronization

/// How the requests of one revision end, as all event loops share it: only while several revisions share the traffic.
final class OutcomeCounter: Sendable {
    private let ended = Atomic<Int>(0)
    private let failed = Atomic<Int>(0)

    /// A request is over: `true`, it failed through the function.
    func end(failed isFailed: Bool) {
        ended.add(1, ordering: .relaxed)
        if isFailed { failed.add(1, ordering: .relaxed) }
    }

    /// How many have ended, and failed of them, since the last call. One caller.
    func take() -> (ended: Int, failed: Int) {
        // Failures first: one that ends in between is counted as a request in the next call at the latest.
        let bad = failed.exchange(0, ordering: .acquiring)
        return (ended.exchange(0, ordering: .acquiring), bad)
    }
}

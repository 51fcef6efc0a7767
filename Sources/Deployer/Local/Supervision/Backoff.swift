/// When to start an instance again (``RestartPolicy``): a value that is told what happened and says how long to wait.
struct Backoff: Sendable {
    let policy: RestartPolicy
    private var delay: Duration

    init(_ policy: RestartPolicy) {
        self.policy = policy
        delay = policy.initialDelay
    }

    /// How long to wait for memory that others use, if nobody gives some back before.
    static var forRoom: Backoff {
        var policy = RestartPolicy()
        policy.initialDelay = .milliseconds(500)
        policy.maximumDelay = .seconds(16)
        return Backoff(policy)
    }

    /// The pause after an instance that accepted requests for `duration`, zero if it never did.
    mutating func pause(afterRunningFor duration: Duration) -> Duration {
        if duration >= policy.stableAfter { delay = policy.initialDelay }
        defer { delay = min(delay * 2, policy.maximumDelay) }
        return delay
    }
}

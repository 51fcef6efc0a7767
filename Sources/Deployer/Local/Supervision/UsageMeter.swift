/// CPU use of instances from their control groups' counters: a value that remembers the reading before.
struct UsageMeter: Sendable {
    private var before: (times: [String: UInt64], at: ContinuousClock.Instant)?

    /// CPU time since the reading before in thousandths of a core, of those instances that were in it; `nil` at the first reading. `times` are
    /// the nanoseconds of each instance so far.
    ///
    /// What an instance used before its first reading, its start, is not counted: load it is not.
    mutating func millicores(_ times: [String: UInt64], at now: ContinuousClock.Instant) -> Double? {
        defer { before = (times, now) }
        guard let before, before.at < now else { return nil }
        let used = times.reduce(UInt64(0)) { sum, reading in
            guard let earlier = before.times[reading.key], earlier < reading.value else { return sum }
            return sum + reading.value - earlier
        }
        return Double(used) / (before.at.duration(to: now) / .nanoseconds(1)) * 1000
    }
}

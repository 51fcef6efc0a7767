/// Judges by probes whether an instance hangs: a value that is told what happened.
///
/// To block for some seconds is legal, and on a busy machine everything takes longer. So only time counts in which the instance was not waiting
/// for a processor (schedstat, kernel documentation "sched-stats"), and only silence that is as long as the limit.
struct Liveness: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// An instance that used less than this share of a processor is idle, and asked only now and then.
    static let idleShare = 0.01
    /// How often an idle instance is asked.
    static let idlePeriod: Duration = .seconds(60)

    /// How long an instance may be silent.
    let limit: Duration
    /// How often a busy one is asked.
    var period: Duration { min(.seconds(5), limit / 4) }

    private var asked: Instant
    private var look: (time: Instant, cpu: UInt64)?
    private var silence: (since: Instant, delayed: UInt64)?

    /// Judges from `now` on.
    init(limit: Duration, at now: Instant) {
        self.limit = limit
        asked = now
    }

    /// Whether to ask now. `cpu` is the instance's CPU time so far in nanoseconds.
    mutating func wantsProbe(cpu: UInt64, at now: Instant) -> Bool {
        defer { look = (now, cpu) }
        if silence != nil || asked.duration(to: now) >= Self.idlePeriod { return true }
        guard let look, look.time < now else { return false }
        let used = Double(cpu >= look.cpu ? cpu - look.cpu : 0)
        return used / (look.time.duration(to: now) / .nanoseconds(1)) >= Self.idleShare
    }

    /// It is being asked. `delayed` is the time that it has waited for a processor so far, in nanoseconds.
    mutating func probe(delayed: UInt64, at now: Instant) {
        asked = now
        if silence == nil { silence = (now, delayed) }
    }

    /// It has answered.
    mutating func answered() { silence = nil }

    /// Whether it has been silent for too long.
    func isStuck(delayed: UInt64, at now: Instant) -> Bool {
        guard let silence else { return false }
        let waited = Duration.nanoseconds(Int64(clamping: delayed >= silence.delayed ? delayed - silence.delayed : 0))
        return silence.since.duration(to: now) - waited >= limit
    }
}

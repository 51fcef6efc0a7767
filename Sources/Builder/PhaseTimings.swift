import Synchronization

/// How long the phases of a build take, in milliseconds; phases may run at the same time.
final class PhaseTimings: Sendable {
    private let start = ContinuousClock.now
    private let phases = Mutex<[String: Double]>([:])
    private let metrics: BuilderMetrics?

    /// Times that are counted in `metrics` too.
    init(_ metrics: BuilderMetrics? = nil) { self.metrics = metrics }

    /// Does `work` and takes its time as that of `phase`.
    func measure<Result: Sendable>(
        _ phase: String, isolation: isolated (any Actor)? = #isolation, _ work: () async throws -> Result
    ) async rethrows -> Result {
        let begin = ContinuousClock.now
        metrics?.begin(phase)
        defer {
            record(phase, since: begin)
            metrics?.end(phase, after: begin.duration(to: .now))
        }
        return try await work()
    }

    /// The times so far, and the whole since the start as `build`.
    func all() -> [String: Double] {
        record("build", since: start)
        return phases.withLock { $0 }
    }

    private func record(_ phase: String, since begin: ContinuousClock.Instant) {
        let milliseconds = begin.duration(to: .now) / .milliseconds(1)
        phases.withLock { $0[phase] = (milliseconds * 1000).rounded() / 1000 }
    }
}

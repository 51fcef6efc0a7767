import Contract
import Synchronization
import Telemetry

/// What the Deployer counts. What it knows anyway, such as how many instances are ready, is read when it is asked for.
package final class DeployerMetrics: Sendable {
    private struct State {
        var deploys: [String: Int] = [:]
        var rollouts: [Rollout: Histogram] = [:]
        var starts: [String: Histogram] = [:]
        var wakes: [String: Histogram] = [:]
        var collections: [String: Int] = [:]
        var ends: [FunctionName: [String: Int]] = [:]
        var limits: [FunctionName: [String: Int]] = [:]
        var registryErrors = 0
        var counts: [String: Int] = [:]
    }

    private struct Rollout: Hashable {
        var cause: String
        var result: String
    }

    /// Functions with series of their own; those beyond are counted together. Flag `--metric-functions`.
    package let limit: Int
    private let state = Mutex(State())

    /// The value of the label `function` for those beyond the limit; no function can be called so.
    static let others = "_other"

    /// Counters at zero, by name for at most `limit` functions.
    package init(limit: Int = 500) { self.limit = limit }

    // MARK: Counting

    /// Does `work`, the Deployer's part of a deploy, and counts it by what came of it.
    func deploy(_ work: () async throws -> DeployAnswer) async throws -> DeployAnswer {
        do {
            let answer = try await work()
            count(
                deploy: answer.unchanged
                    ? "unchanged" : answer.superseded ? "superseded" : answer.serving ? "live" : "recorded")
            return answer
        } catch {
            count(deploy: (error as? Problem)?.kind ?? (error is CancellationError ? "cancelled" : "internal"))
            throw error
        }
    }

    /// A roll-out is over: `cause` is deploy or rollback, `result` live, superseded or a kind of failure.
    func rolledOut(_ cause: LiveCause, _ result: String, after duration: Duration) {
        let key = Rollout(cause: cause.rawValue, result: result)
        state.withLock {
            $0.rollouts[key, default: Histogram(bounds: Histogram.workBounds)].observe(duration / .seconds(1))
        }
    }

    /// An instance has been started and accepts requests (`ready`), or does not for a kind of failure.
    func started(_ result: String, after duration: Duration) {
        state.withLock {
            $0.starts[result, default: Histogram(bounds: Histogram.workBounds)].observe(duration / .seconds(1))
        }
    }

    /// Waking a parked revision is over: it accepts requests (`ready`), or does not for a kind of failure.
    func woken(_ result: String, after duration: Duration) {
        state.withLock {
            $0.wakes[result, default: Histogram(bounds: Histogram.workBounds)].observe(duration / .seconds(1))
        }
    }

    /// A collection of garbage is over: `ok`, or a kind of problem.
    func collected(_ result: String) { state.withLock { $0.collections[result, default: 0] += 1 } }

    /// An instance of `id` has ended by itself.
    func ended(_ id: WorkloadID, reason: String) {
        guard case .revision(let revision) = id else { return count("kiln_checker_ends_total") }
        state.withLock { add(1, revision.function, reason, to: &$0.ends) }
    }

    /// An instance of `id` has met a limit `count` times.
    func met(_ met: InstanceLimit, _ id: WorkloadID, count: Int) {
        guard case .revision(let revision) = id else { return }
        state.withLock { add(count, revision.function, met.rawValue, to: &$0.limits) }
    }

    /// More functions than have series come and go unseen; their memory is bounded.
    private func add(
        _ count: Int, _ function: FunctionName, _ what: String, to table: inout [FunctionName: [String: Int]]
    ) {
        guard table[function] != nil || table.count < 4 * limit else { return }
        table[function, default: [:]][what, default: 0] += count
    }

    /// A call of the registry has failed.
    func registryFailed() { state.withLock { $0.registryErrors += 1 } }

    /// Adds `amount` to a counter without labels that is declared in ``plainCounters``.
    func count(_ name: String, by amount: Int = 1) { state.withLock { $0.counts[name, default: 0] += amount } }

    private func count(deploy result: String) { state.withLock { $0.deploys[result, default: 0] += 1 } }

    // MARK: Telling

    /// Counters without labels, with what they count.
    private static let plainCounters = [
        ("kiln_rollbacks_total", "Rollbacks asked for and carried out."),
        ("kiln_step_backs_total", "Times that all traffic went back to the live revision because a canary failed."),
        ("kiln_deletes_total", "Functions deleted."),
        ("kiln_checker_ends_total", "Times that the checker's container ended by itself."),
        ("kiln_parks_total", "Times that a revision was parked because nobody called it, or for want of memory."),
        ("kiln_gc_freed_bytes_total", "Bytes that collections of garbage have freed."),
        ("kiln_gc_revisions_total", "Revisions that collections of garbage have removed."),
    ]

    /// The families of what is counted; of `functions`, those that exist, at most ``limit`` by name.
    func families(functions: [FunctionName]) -> [MetricFamily] {
        let state = self.state.withLock { state in
            // Functions that are gone vanish with their counters.
            let existing = Set(functions)
            state.ends = state.ends.filter { existing.contains($0.key) }
            state.limits = state.limits.filter { existing.contains($0.key) }
            return state
        }
        var deploys = MetricFamily(
            "kiln_deploys_total", .counter,
            "Finished builds that the Deployer was handed: live, unchanged, superseded, recorded (wait=false) or a problem."
        )
        for (result, count) in state.deploys.sorted(by: { $0.key < $1.key }) {
            deploys.add(count, .init("result", result))
        }
        var rollouts = MetricFamily(
            "kiln_rollout_duration_seconds", .histogram,
            "From the recorded revision to the switched route, by what asked for it and what came of it.")
        for (key, histogram) in state.rollouts.sorted(by: {
            ($0.key.cause, $0.key.result) < ($1.key.cause, $1.key.result)
        }) {
            rollouts.add(histogram, .init("cause", key.cause), .init("result", key.result))
        }
        var starts = MetricFamily(
            "kiln_instance_start_duration_seconds", .histogram,
            "Cold starts: from nothing until an instance accepts requests (ready), or its start has failed.")
        for (result, histogram) in state.starts.sorted(by: { $0.key < $1.key }) {
            starts.add(histogram, .init("result", result))
        }
        var registry = MetricFamily(
            "kiln_registry_errors_total", .counter, "Calls of the registry that failed for good.")
        registry.add(state.registryErrors, .init("role", "deployer"))
        var wakes = MetricFamily(
            "kiln_wake_duration_seconds", .histogram,
            "Waking a parked revision: from the first request that waits until an instance accepts requests (ready), or has failed to."
        )
        for (result, histogram) in state.wakes.sorted(by: { $0.key < $1.key }) {
            wakes.add(histogram, .init("result", result))
        }
        var collections = MetricFamily(
            "kiln_gc_runs_total", .counter, "Collections of garbage, dry runs not counted: ok, or the kind of problem.")
        for (result, count) in state.collections.sorted(by: { $0.key < $1.key }) {
            collections.add(count, .init("result", result))
        }
        var ends = MetricFamily(
            "kiln_instance_ends_total", .counter,
            "Instances that ended by themselves and are started again, by reason: out-of-memory, heap-exhausted, exit, signal, unknown."
        )
        add(state.ends, label: "reason", to: &ends)
        var limits = MetricFamily(
            "kiln_limit_hits_total", .counter,
            "Times that instances met a limit of the operating system's: tasks, open-files, tmp."
        )
        add(state.limits, label: "limit", to: &limits)
        return [deploys, rollouts, starts, wakes, collections, registry, ends, limits]
            + Self.plainCounters.map { MetricFamily($0, .counter, $1, value: Double(state.counts[$0] ?? 0)) }
    }

    private func add(_ table: [FunctionName: [String: Int]], label: String, to family: inout MetricFamily) {
        var beyond: [String: Int] = [:]
        for (index, entry) in table.sorted(by: { $0.key.value < $1.key.value }).enumerated() {
            guard index < limit else {
                beyond.merge(entry.value, uniquingKeysWith: +)
                continue
            }
            for (reason, count) in entry.value.sorted(by: { $0.key < $1.key }) {
                family.add(count, .init("function", entry.key.value), .init(label, reason))
            }
        }
        for (reason, count) in beyond.sorted(by: { $0.key < $1.key }) {
            family.add(count, .init("function", Self.others), .init(label, reason))
        }
    }
}

extension InstanceEnd {
    /// The value of the label `reason`.
    var label: String {
        switch self {
        case .outOfMemory: "out-of-memory"
        case .heapExhausted: "heap-exhausted"
        case .exited: "exit"
        case .killed: "signal"
        case .unknown: "unknown"
        }
    }
}

import Contract
import OCI
import Synchronization
import Telemetry

/// What the Builder counts.
package final class BuilderMetrics: Sendable {
    private struct State {
        var builds: [String: Int] = [:]
        var running = 0
        var sourceBytes = 0
        var registryErrors = 0
        var phases: [String: Phase] = [:]
    }

    private struct Phase {
        var running = 0
        var durations = Histogram(bounds: Histogram.workBounds)
    }

    private let state = Mutex(State())

    /// Counters at zero.
    package init() {}

    /// Does `work`, a build, and counts it by what came of it.
    func build<Result: Sendable>(_ work: () async throws -> (result: Result, outcome: String)) async throws -> Result {
        state.withLock { $0.running += 1 }
        do {
            let (result, outcome) = try await work()
            end(outcome)
            return result
        } catch {
            end(Self.kind(of: error))
            if error is OCIError { state.withLock { $0.registryErrors += 1 } }
            throw error
        }
    }

    /// A source of `bytes` has been read.
    func received(_ bytes: Int) { state.withLock { $0.sourceBytes += bytes } }

    /// A phase of a build begins.
    func begin(_ phase: String) { state.withLock { $0.phases[phase, default: Phase()].running += 1 } }

    /// It is over.
    func end(_ phase: String, after duration: Duration) {
        state.withLock { state in
            state.phases[phase, default: Phase()].running -= 1
            state.phases[phase, default: Phase()].durations.observe(duration / .seconds(1))
        }
    }

    /// The metrics; `limit` is how many builds may run.
    func families(limit: Int) -> [MetricFamily] {
        let state = state.withLock { $0 }
        var builds = MetricFamily(
            "kiln_builds_total", .counter,
            "Deploys that reached the Builder, by what came of the build: ok, dry-run or a problem.")
        for (outcome, count) in state.builds.sorted(by: { $0.key < $1.key }) {
            builds.add(count, .init("result", outcome))
        }
        var durations = MetricFamily(
            "kiln_build_phase_duration_seconds", .histogram,
            "How long the phases of builds took, those that failed included; phases may run at the same time.")
        var running = MetricFamily(
            "kiln_build_phases_running", .gauge, "Builds in a phase now; in check: with the checker or waiting for it.")
        for (name, phase) in state.phases.sorted(by: { $0.key < $1.key }) {
            durations.add(phase.durations, .init("phase", name))
            running.add(phase.running, .init("phase", name))
        }
        return [
            builds, durations, running,
            MetricFamily("kiln_builds_running", .gauge, "Builds that run now.", value: Double(state.running)),
            MetricFamily("kiln_builds_limit", .gauge, "Most builds that may run at a time.", value: Double(limit)),
            MetricFamily(
                "kiln_build_source_bytes_total", .counter, "Bytes of sources read.", value: Double(state.sourceBytes)),
            Self.registryErrors(state.registryErrors),
        ]
    }

    private static func registryErrors(_ count: Int) -> MetricFamily {
        var family = MetricFamily("kiln_registry_errors_total", .counter, "Calls of the registry that failed for good.")
        family.add(count, .init("role", "builder"))
        return family
    }

    private func end(_ outcome: String) {
        state.withLock { state in
            state.running -= 1
            state.builds[outcome, default: 0] += 1
        }
    }

    /// The kind of problem that the client is told; a fixed set of words.
    private static func kind(of error: any Error) -> String {
        if error is CancellationError { return "cancelled" }
        return Problem(deployFailedWith: error)?.kind ?? "internal"
    }
}

import Contract
import Foundation
import Synchronization
import Testing

@testable import Deployer

extension LocalContainerTests {
    /// Prints how long an instance takes; a figure to look at, not a gate: machines differ.
    @Suite struct StartTimeTests {
        @Test func `an instance is ready in a small multiple of the time that a plain process takes`() async throws {
            let times = StepTimes()
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend { times.reached($0) }
                try await backend.adopt([])
                var whole: [Double] = []
                for revision in 1...12 {
                    let workload = try fixture.workload(TestImages.hello, revision: revision) { $0.network = .internet }
                    let begin = ContinuousClock.now
                    times.begin()
                    try await backend.rollOut(workload)
                    whole.append((ContinuousClock.now - begin).inMilliseconds)
                    await backend.retire(workload.id)
                    try await Task.sleep(for: .milliseconds(150))
                }
                print("rollOut → ready:", whole.median, "ms;", times.description)
                #expect(whole.median < 2000)
            }
        }
    }
}

final class StepTimes: Sendable, CustomStringConvertible {
    private let state = Mutex<(last: ContinuousClock.Instant, steps: [InstanceStep: [Double]])>((.now, [:]))
    func begin() { state.withLock { $0.last = .now } }
    func reached(_ step: InstanceStep) {
        state.withLock { state in
            let now = ContinuousClock.now
            state.steps[step, default: []].append((now - state.last).inMilliseconds)
            state.last = now
        }
    }
    var description: String {
        state.withLock { state in
            InstanceStep.allCases.map { "\($0) +\(state.steps[$0, default: []].median)" }.joined(separator: ", ")
        }
    }
}

extension Duration {
    var inMilliseconds: Double { Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15 }
}

extension [Double] {
    var median: Double { isEmpty ? .nan : (sorted()[count / 2] * 10).rounded() / 10 }
}

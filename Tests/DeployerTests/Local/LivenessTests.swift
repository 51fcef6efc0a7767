import Testing

@testable import Deployer

@Suite struct LivenessTests {
    private let start = ContinuousClock.now
    private func at(_ seconds: Double) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }
    private func cpu(_ seconds: Double) -> UInt64 { UInt64(seconds * 1e9) }

    @Test func `what is idle is asked once a minute, what works at each look`() {
        var liveness = Liveness(limit: .seconds(30), at: start)
        let look1 = liveness.wantsProbe(cpu: 0, at: at(5))
        #expect(!look1)
        let look2 = liveness.wantsProbe(cpu: cpu(0.01), at: at(10))
        #expect(!look2)
        let look3 = liveness.wantsProbe(cpu: cpu(0.2), at: at(15))
        #expect(look3)
        liveness.probe(delayed: 0, at: at(15))
        liveness.answered()
        let look4 = liveness.wantsProbe(cpu: cpu(0.2), at: at(20))
        #expect(!look4)
        let look5 = liveness.wantsProbe(cpu: cpu(0.2), at: at(75))
        #expect(look5)
    }

    @Test func `silence counts from the first question without an answer`() {
        var liveness = Liveness(limit: .seconds(30), at: start)
        #expect(!liveness.isStuck(delayed: 0, at: at(1000)))
        liveness.probe(delayed: 0, at: at(1000))
        #expect(!liveness.isStuck(delayed: 0, at: at(1029)))
        // It is asked again although it uses nothing.
        let look6 = liveness.wantsProbe(cpu: 0, at: at(1029))
        #expect(look6)
        liveness.probe(delayed: 0, at: at(1029))
        #expect(liveness.isStuck(delayed: 0, at: at(1030)))
        liveness.answered()
        #expect(!liveness.isStuck(delayed: 0, at: at(1031)))
    }

    @Test func `time in which it waited for a processor is not held against it`() {
        var liveness = Liveness(limit: .seconds(30), at: start)
        liveness.probe(delayed: cpu(5), at: start)
        #expect(!liveness.isStuck(delayed: cpu(45), at: at(60)))
        #expect(liveness.isStuck(delayed: cpu(45), at: at(70)))
        #expect(!liveness.isStuck(delayed: cpu(1000), at: at(100)))
    }
}

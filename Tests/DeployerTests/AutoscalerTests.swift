import Testing

@testable import Deployer

@Suite struct AutoscalerTests {
    private let start = ContinuousClock.now

    private func scaler(
        _ bounds: ClosedRange<Int> = 1...10, concurrency: Double = 10,
        _ change: (inout Autoscaler.Policy) -> Void = { _ in }
    ) -> Autoscaler {
        var policy = Autoscaler.Policy()
        policy.window = .seconds(1)
        policy.growth = 100
        change(&policy)
        return Autoscaler(
            policy: policy, bounds: bounds, capacity: .init(requests: concurrency, cpuMillicores: 1000))
    }

    private func at(_ seconds: Double) -> ContinuousClock.Instant { start.advanced(by: .seconds(seconds)) }

    /// Concurrency 10, CPU 1000m, target 70 %: 7 requests or 700m an instance.
    @Test(arguments: [
        // requests, CPU, current, desired
        (0.0, 0.0, 1, 1), (7.0, 0.0, 1, 1), (7.7, 0.0, 1, 1), (7.8, 0.0, 1, 2), (14.0, 0.0, 2, 2), (15.4, 0.0, 2, 2),
        (15.5, 0.0, 2, 3), (21.0, 0.0, 1, 3), (700.0, 0.0, 1, 10), (0.0, 770.0, 1, 1), (0.0, 900.0, 1, 2),
        (8.0, 2000.0, 1, 3), (20.0, 800.0, 1, 3), (0.0, 1900.0, 3, 3),
    ])
    func `the metric that wants most decides, and small differences do not`(
        requests: Double, cpu: Double, current: Int, desired: Int
    ) {
        var scaler = scaler()
        #expect(scaler.desired(current: current, .init(requests: requests, cpuMillicores: cpu), at: start) == desired)
    }

    @Test func `without a CPU reading requests decide`() {
        var scaler = scaler()
        #expect(scaler.desired(current: 1, .init(requests: 14, cpuMillicores: nil), at: start) == 2)
    }

    @Test func `what is measured is averaged over the window`() {
        var scaler = scaler { $0.window = .seconds(4) }
        #expect(scaler.desired(current: 1, .init(requests: 0), at: at(0)) == 1)
        #expect(scaler.desired(current: 1, .init(requests: 14), at: at(1)) == 1)
        #expect(scaler.desired(current: 1, .init(requests: 28), at: at(2)) == 2)
        #expect(scaler.desired(current: 2, .init(requests: 28), at: at(5.5)) == 4)
    }

    @Test func `fewer instances must have been enough for the whole stabilisation window`() {
        var scaler = scaler { $0.stabilization = .seconds(60) }
        #expect(scaler.desired(current: 1, .init(requests: 35), at: at(0)) == 5)
        #expect(scaler.desired(current: 5, .init(requests: 0), at: at(10)) == 5)
        // One busy moment begins the wait for what it asked for anew.
        #expect(scaler.desired(current: 5, .init(requests: 21), at: at(20)) == 5)
        #expect(scaler.desired(current: 5, .init(requests: 0), at: at(59)) == 5)
        #expect(scaler.desired(current: 5, .init(requests: 0), at: at(61)) == 3)
        #expect(scaler.desired(current: 3, .init(requests: 0), at: at(79)) == 3)
        #expect(scaler.desired(current: 3, .init(requests: 0), at: at(81)) == 1)
    }

    @Test func `what there was when watching began is not taken away before the window is over`() {
        var scaler = scaler { $0.stabilization = .seconds(60) }
        #expect(scaler.desired(current: 4, .init(requests: 0), at: at(0)) == 4)
        #expect(scaler.desired(current: 4, .init(requests: 0), at: at(59)) == 4)
        #expect(scaler.desired(current: 4, .init(requests: 0), at: at(60)) == 1)
    }

    @Test func `the number grows by four or doubles in one period, not faster`() {
        var scaler = scaler(1...100) {
            $0.growth = 4; $0.growthPeriod = .seconds(5)
        }
        let flood = Autoscaler.Sample(requests: 10_000)
        #expect(scaler.desired(current: 1, flood, at: at(0)) == 5)
        #expect(scaler.desired(current: 5, flood, at: at(1)) == 5)
        #expect(scaler.desired(current: 5, flood, at: at(5)) == 10)
        #expect(scaler.desired(current: 10, flood, at: at(9)) == 10)
        #expect(scaler.desired(current: 10, flood, at: at(10)) == 20)
        #expect(scaler.desired(current: 20, flood, at: at(15)) == 40)
    }

    @Test func `the bounds hold whatever is measured, and bring back what is outside of them`() {
        var scaler = scaler(2...3)
        #expect(scaler.desired(current: 2, .init(requests: 0), at: at(0)) == 2)
        #expect(scaler.desired(current: 2, .init(requests: .greatestFiniteMagnitude), at: at(1)) == 3)
        #expect(scaler.desired(current: 1, .init(requests: 0), at: at(2)) == 2)
        #expect(scaler.desired(current: 9, .init(requests: 0), at: at(3)) == 3)
    }

    @Test func `CPU use is what instances used between two readings that both saw them`() {
        var meter = UsageMeter()
        #expect(meter.millicores(["a": 5_000_000_000], at: at(0)) == nil)
        #expect(meter.millicores(["a": 6_000_000_000, "b": 9_000_000_000], at: at(2)) == 500)
        #expect(meter.millicores(["b": 9_500_000_000], at: at(3)) == 500)
        #expect(meter.millicores(["b": 1], at: at(4)) == 0)
    }
}

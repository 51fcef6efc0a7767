/// How many instances a revision should have: the algorithm of Kubernetes' HorizontalPodAutoscaler as a value that is told what is measured.
///
/// For each metric `desired = ⌈current × measured ÷ target⌉`, or as before while the ratio is within the tolerance of 1; the metric that wants most
/// wins (kubernetes.io, "Horizontal Pod Autoscaling", algorithm details). Upwards at once, no faster than the growth policy;
/// downwards to the highest proposal of the stabilisation window.
struct Autoscaler: Sendable {
    /// What the operator chooses.
    struct Policy: Sendable, Hashable {
        /// The share of what an instance can take that it should have on average, of requests (its concurrency) and of CPU time (its limit).
        var target = 0.7
        /// How far the measured may be from the target without a change.
        var tolerance = 0.1
        /// What is measured is averaged over so long.
        var window: Duration = .seconds(3)
        /// A lower number of instances must have been enough for so long.
        var stabilization: Duration = .seconds(60)
        /// In one period the number may grow by ``growth`` or double, whichever is more.
        var growthPeriod: Duration = .seconds(5)
        /// See ``growthPeriod``.
        var growth = 4
    }

    /// What was measured at one moment over all instances.
    struct Sample: Sendable, Hashable {
        /// Requests at instances and waiting for them.
        var requests: Double
        /// CPU time used, in thousandths of a core; `nil` when it is not known.
        var cpuMillicores: Double?
    }

    /// What one instance can take.
    struct Capacity: Sendable, Hashable {
        /// Requests at a time.
        var requests: Double
        /// CPU limit in thousandths of a core.
        var cpuMillicores: Double
    }

    typealias Instant = ContinuousClock.Instant

    let policy: Policy
    let bounds: ClosedRange<Int>
    let capacity: Capacity
    private var samples: [(time: Instant, sample: Sample)] = []
    private var proposals: [(time: Instant, count: Int)] = []
    private var growths: [(time: Instant, count: Int)] = []

    /// A scaler of a revision that may have `bounds` instances.
    init(policy: Policy, bounds: ClosedRange<Int>, capacity: Capacity) {
        self.policy = policy
        self.bounds = bounds
        self.capacity = capacity
    }

    /// How many instances there should be, now that there are `current` and `sample` has been measured.
    mutating func desired(current: Int, _ sample: Sample, at now: Instant) -> Int {
        samples.append((now, sample))
        samples.removeAll { $0.time.duration(to: now) >= policy.window }
        // What there is counts as proposed at first: nothing is taken away that has not been watched for a while.
        if proposals.isEmpty { proposals.append((now, current)) }
        let proposal = min(max(proposal(current), bounds.lowerBound), bounds.upperBound)
        proposals.removeAll { $0.time.duration(to: now) >= policy.stabilization }
        proposals.append((now, proposal))
        let result = proposal > current ? grow(current, to: proposal, at: now) : shrink(current)
        return min(max(result, bounds.lowerBound), bounds.upperBound)
    }

    private func proposal(_ current: Int) -> Int {
        let count = Double(samples.count)
        let requests = samples.reduce(0) { $0 + $1.sample.requests } / count
        let times = samples.compactMap(\.sample.cpuMillicores)
        var wanted = proposal(current, requests, perInstance: capacity.requests)
        if !times.isEmpty {
            let cpu = times.reduce(0, +) / Double(times.count)
            wanted = max(wanted, proposal(current, cpu, perInstance: capacity.cpuMillicores))
        }
        return wanted
    }

    private func proposal(_ current: Int, _ measured: Double, perInstance capacity: Double) -> Int {
        let target = capacity * policy.target
        let ratio = measured / (Double(max(current, 1)) * target)
        // Binary fractions: 0.1 of tolerance is met by 1.1.
        if abs(ratio - 1) <= policy.tolerance + 1e-9 { return current }
        return Int(min((measured / target - 1e-9).rounded(.up), Double(bounds.upperBound)))
    }

    private mutating func grow(_ current: Int, to proposal: Int, at now: Instant) -> Int {
        growths.removeAll { $0.time.duration(to: now) >= policy.growthPeriod }
        let start = current - growths.reduce(0) { $0 + $1.count }
        let limit = max(start + policy.growth, start * 2)
        let result = max(current, min(proposal, limit))
        if result > current { growths.append((now, result - current)) }
        return result
    }

    private func shrink(_ current: Int) -> Int { min(current, proposals.map(\.count).max() ?? current) }
}

/// Observations counted in buckets; a value without a lock or a clock.
package struct Histogram: Sendable, Hashable {
    /// For requests: 1 ms to 30 s.
    package static let requestBounds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30,
    ]
    /// For what takes longer, builds and starts: 5 ms to 2 min.
    package static let workBounds: [Double] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120]

    /// The upper bounds of the buckets, rising; the last bucket, without one, is not among them.
    package let bounds: [Double]
    /// Observations by bucket, each counted once.
    package private(set) var counts: [UInt64]
    /// The sum of what was observed.
    package private(set) var sum = 0.0

    /// A histogram with buckets up to `bounds`.
    package init(bounds: [Double]) {
        self.bounds = bounds
        counts = [UInt64](repeating: 0, count: bounds.count + 1)
    }

    /// What was counted elsewhere: `counts` has one more than `bounds`.
    package init(bounds: [Double], counts: [UInt64], sum: Double) {
        self.bounds = bounds
        self.counts = counts
        self.sum = sum
    }

    /// How many observations there are.
    package var count: UInt64 { counts.reduce(0, +) }

    /// Counts `value` in the first bucket whose bound is not below it.
    package mutating func observe(_ value: Double) {
        var index = 0
        while index < bounds.count, value > bounds[index] { index += 1 }
        counts[index] += 1
        sum += value
    }

    /// Adds what another one with the same bounds has counted.
    package mutating func add(_ other: Histogram) {
        for index in counts.indices where index < other.counts.count { counts[index] += other.counts[index] }
        sum += other.sum
    }
}

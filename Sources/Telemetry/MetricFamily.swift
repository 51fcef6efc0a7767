/// A metric with all its samples: one block of the Prometheus text format.
package struct MetricFamily: Sendable, Hashable {
    /// What kind of metric it is.
    package enum Kind: String, Sendable, Hashable {
        /// A count that only rises; its name ends in `_total`.
        case counter
        /// A value that rises and falls.
        case gauge
        /// Observations counted in buckets.
        case histogram
        /// Observations by their sum and count; no quantiles, for those of several instances cannot be put together.
        case summary
    }

    /// One number.
    package struct Sample: Sendable, Hashable {
        /// What the family's name is continued by: nothing, `_bucket`, `_sum` or `_count`.
        package var suffix: String
        /// What tells it from the family's other samples, in the order in which it is written.
        package var labels: [Label]
        /// The value.
        package var value: Double
    }

    /// A name and a value; the value may be any text.
    package struct Label: Sendable, Hashable {
        /// Letters, digits and `_`, not beginning with a digit.
        package var name: String
        /// The value.
        package var value: String

        /// `name="value"`.
        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// Letters, digits and `_`: `kiln_…` with its base unit (`_seconds`, `_bytes`), counters with `_total`.
    package let name: String
    /// One sentence without line breaks.
    package let help: String
    /// The kind.
    package let kind: Kind
    /// The samples.
    package private(set) var samples: [Sample] = []

    /// A family without samples yet.
    package init(_ name: String, _ kind: Kind, _ help: String) {
        self.name = name
        self.kind = kind
        self.help = help
    }

    /// A counter or gauge with the one sample `value`.
    package init(_ name: String, _ kind: Kind, _ help: String, value: Double) {
        self.init(name, kind, help)
        add(value)
    }

    /// Adds a sample of a counter or gauge.
    package mutating func add(_ value: Double, _ labels: Label...) {
        samples.append(Sample(suffix: "", labels: labels, value: value))
    }

    /// Adds a sample of a counter or gauge.
    package mutating func add(_ value: some BinaryInteger, _ labels: Label...) {
        samples.append(Sample(suffix: "", labels: labels, value: Double(value)))
    }

    /// Adds the buckets, sum and count of a histogram.
    package mutating func add(_ histogram: Histogram, _ labels: Label...) {
        var total: UInt64 = 0
        for (index, count) in histogram.counts.enumerated() {
            total += count
            let bound =
                index < histogram.bounds.count ? MetricText.number(histogram.bounds[index]) : "+Inf"
            samples.append(Sample(suffix: "_bucket", labels: labels + [Label("le", bound)], value: Double(total)))
        }
        samples.append(Sample(suffix: "_sum", labels: labels, value: histogram.sum))
        samples.append(Sample(suffix: "_count", labels: labels, value: Double(total)))
    }

    /// Adds sum and count of a summary.
    package mutating func add(sum: Double, count: some BinaryInteger, _ labels: Label...) {
        samples.append(Sample(suffix: "_sum", labels: labels, value: sum))
        samples.append(Sample(suffix: "_count", labels: labels, value: Double(count)))
    }
}

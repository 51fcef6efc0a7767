/// A length of time as people write it: `30s`, `15m`, `1h`, `7d`, or `never`.
package enum TimeSpan: Hashable, Sendable, CustomStringConvertible {
    /// So many seconds.
    case seconds(Int)
    /// For ever.
    case never

    /// Reads a whole number and its unit (s, m, h, d), or `never`; `nil` for anything else, a number without a unit included.
    package init?(_ text: String) {
        if text == "never" {
            self = .never
            return
        }
        let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let last = text.last, let unit = units[last] else { return nil }
        let digits = text.dropLast()
        guard digits.isDecimal, let number = Int(digits) else {
            return nil
        }
        let (seconds, overflow) = number.multipliedReportingOverflow(by: unit)
        guard !overflow else { return nil }
        self = .seconds(seconds)
    }

    /// As it is read, in the largest unit that divides it.
    package var description: String {
        guard case .seconds(let seconds) = self else { return "never" }
        for (unit, factor) in [("d", 86_400), ("h", 3600), ("m", 60)] where seconds > 0 && seconds % factor == 0 {
            return "\(seconds / factor)\(unit)"
        }
        return "\(seconds)s"
    }
}

import FoundationEssentials

/// A moment in UTC with millisecond precision, written as RFC 3339 (`2026-11-22T17:23:27.123Z`).
package struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    package let milliseconds: Int64

    /// A moment from milliseconds since the epoch.
    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// A moment from RFC 3339 text, with or without a fraction of a second; `nil` when it is not that.
    package init?(_ text: String) {
        guard let date = (try? Self.style.parse(text)) ?? (try? Date.ISO8601FormatStyle().parse(text)) else {
            return nil
        }
        milliseconds = Int64((date.timeIntervalSince1970 * 1000).rounded())
    }

    /// The wall clock's present reading.
    package static func now() -> Timestamp {
        Timestamp(milliseconds: Int64((Date().timeIntervalSince1970 * 1000).rounded(.down)))
    }

    package static func < (left: Self, right: Self) -> Bool { left.milliseconds < right.milliseconds }

    package var description: String {
        let (days, inDay) = Int(milliseconds).quotientAndFloor(by: 86_400_000)
        let date = Self.date(days)
        // By hand: every line of a log carries one, and a format style takes twenty times as long.
        var text: [UInt8] = []
        text.reserveCapacity(24)
        func add(_ value: Int, _ width: Int, _ end: UInt8) {
            let digits = Array(String(value).utf8)
            for _ in digits.count..<max(width, digits.count) { text.append(48) }
            text += digits
            text.append(end)
        }
        add(date.year, 4, UInt8(ascii: "-"))
        add(date.month, 2, UInt8(ascii: "-"))
        add(date.day, 2, UInt8(ascii: "T"))
        add(inDay / 3_600_000, 2, UInt8(ascii: ":"))
        add(inDay / 60_000 % 60, 2, UInt8(ascii: ":"))
        add(inDay / 1000 % 60, 2, UInt8(ascii: "."))
        add(inDay % 1000, 3, UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    /// As the Common Log Format has it: `22/Nov/2026:17:23:27 +0000`.
    package var commonLog: String {
        let (days, inDay) = Int(milliseconds).quotientAndFloor(by: 86_400_000)
        let date = Self.date(days)
        func two(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let time = [inDay / 3_600_000, inDay / 60_000 % 60, inDay / 1000 % 60].map(two).joined(separator: ":")
        return "\(two(date.day))/\(Self.months[date.month - 1])/\(date.year):\(time) +0000"
    }

    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// The date so many days after 1970-01-01 in the proleptic Gregorian calendar; years begin in March, so that the leap day is the last.
    private static func date(_ days: Int) -> (year: Int, month: Int, day: Int) {
        let (era, dayOfEra) = (days + 719_468).quotientAndFloor(by: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * dayOfYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shifted + 2) / 5 + 1)
    }

    private static let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
}

extension Timestamp: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let timestamp = Timestamp(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not an RFC 3339 time")
        }
        self = timestamp
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension Int {
    /// The quotient rounded down, and the remainder, which is never negative.
    fileprivate func quotientAndFloor(by divisor: Int) -> (Int, Int) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

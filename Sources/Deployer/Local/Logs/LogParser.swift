import Contract

/// Reads the lines that conmon writes (Kubernetes' CRI log format): `<time> <stream> <F|P> <text>`.
///
/// A value: it is fed bytes as they come and returns the lines that are complete. Long lines come in parts (`P` … `F`) and are put together
/// up to a bound.
struct LogParser: Sendable {
    /// The longest message, in bytes; what is longer becomes several.
    static let longestMessage = 64 << 10

    /// Whose lines they are.
    struct Source: Sendable, Hashable {
        /// The stream of what Kiln itself says in a log.
        static let remarks = "kiln"

        var instance: String
        var revision: Int

        /// A line of Kiln's own.
        func remark(_ text: String, at time: Timestamp = .now()) -> LogLine {
            LogLine(time: time, instance: instance, revision: revision, stream: Self.remarks, message: text)
        }
    }

    private let source: Source
    private var rest: [UInt8] = []
    private var parts: [String: [UInt8]] = [:]

    init(_ source: Source) { self.source = source }

    init(instance: String, revision: Int) { self.init(Source(instance: instance, revision: revision)) }

    /// The lines that `bytes` complete.
    mutating func feed(_ bytes: some Sequence<UInt8>) -> [LogLine] {
        rest += bytes
        var lines: [LogLine] = []
        var start = rest.startIndex
        while let end = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
            if let line = line(rest[start..<end]) { lines.append(line) }
            start = end + 1
        }
        rest.removeFirst(start)
        // What is no line of conmon's does not pile up.
        if rest.count > 4 * Self.longestMessage { rest = [] }
        return lines
    }

    private mutating func line(_ bytes: ArraySlice<UInt8>) -> LogLine? {
        let fields = bytes.split(separator: UInt8(ascii: " "), maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count == 4, let time = Timestamp(logTime: fields[0]) else { return nil }
        let stream = String(decoding: fields[1], as: UTF8.self)
        let message = (parts.removeValue(forKey: stream) ?? []) + fields[3]
        guard fields[2].elementsEqual([UInt8(ascii: "F")]) || message.count >= Self.longestMessage else {
            parts[stream] = message
            return nil
        }
        return LogLine(
            time: time, instance: source.instance, revision: source.revision, stream: stream,
            message: String(decoding: message, as: UTF8.self))
    }
}

extension Timestamp {
    /// Reads `2026-11-22T17:55:37.661164683+01:00`, to the millisecond; `nil` for anything else.
    init?(logTime bytes: ArraySlice<UInt8>) {
        let text = Array(bytes)
        guard text.count >= 25 else { return nil }
        func number(_ range: Range<Int>) -> Int64? {
            var value: Int64 = 0
            for byte in text[range] {
                guard (48...57).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - 48)
            }
            return value
        }
        guard let year = number(0..<4), let month = number(5..<7), let day = number(8..<10), let hour = number(11..<13),
            let minute = number(14..<16), let second = number(17..<19), (1...12).contains(month),
            let offsetHours = number(text.count - 5..<text.count - 3),
            let offsetMinutes = number(text.count - 2..<text.count)
        else { return nil }
        let fraction = text[19] == UInt8(ascii: ".") && text.count >= 29 ? number(20..<23) ?? 0 : 0
        let sign: Int64 = text[text.count - 6] == UInt8(ascii: "-") ? -1 : 1
        let local = (Self.days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second
        let utc = local - sign * (offsetHours * 3600 + offsetMinutes * 60)
        self.init(milliseconds: utc * 1000 + fraction)
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar; years begin in March, so that the leap day is the last.
    private static func days(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

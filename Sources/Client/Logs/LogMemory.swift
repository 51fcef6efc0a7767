import Contract

/// Remembers the last lines of a followed log, so that those which come again over a new connection are not shown twice.
///
/// A value: it is asked about every line.
package struct LogMemory: Sendable {
    /// How much before the last line a new connection begins, in milliseconds: lines of other instances may come a little late.
    private static let overlap: Int64 = 2000
    private static let most = 20_000

    /// How often each line was seen, and how often it has come again since the last connection began.
    private var seen: [LogLine: Int] = [:]
    private var again: [LogLine: Int] = [:]
    private var order: [LogLine] = []
    private var first: Timestamp?
    private var latest: Timestamp?

    /// Remembers nothing.
    package init() {}

    /// From when on the next connection has to tell: not before the first line that was shown, which may have been the first of a tail.
    /// `nil` before any.
    package var since: Timestamp? {
        guard let first, let latest else { return nil }
        return max(first, Timestamp(milliseconds: latest.milliseconds - Self.overlap))
    }

    /// Call before each connection.
    package mutating func connect() { again = [:] }

    /// Whether `line` is to be shown.
    package mutating func takes(_ line: LogLine) -> Bool {
        let times = again[line, default: 0] + 1
        again[line] = times
        guard times > seen[line, default: 0] else { return false }
        seen[line] = times
        order.append(line)
        first = first ?? line.time
        latest = max(latest ?? line.time, line.time)
        if order.count > Self.most { forget() }
        return true
    }

    /// Drops what no new connection will tell again.
    private mutating func forget() {
        let begin = since ?? Timestamp(milliseconds: 0)
        var kept = order.filter { $0.time >= begin }
        kept = kept.suffix(Self.most / 2)
        let lines = Set(kept)
        seen = seen.filter { lines.contains($0.key) }
        again = again.filter { lines.contains($0.key) }
        order = kept
    }
}

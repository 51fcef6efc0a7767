import Contract

/// Which lines of a function's log are wanted.
package struct LogQuery: Sendable, Hashable {
    /// Only lines that are not older.
    package var since: Timestamp?
    /// The last so many of those there are.
    package var tail = 1000
    /// Go on with new ones.
    package var follow = false
    /// Only of this revision's instances.
    package var revision: Int?
    /// Only of this stream, `stdout` or `stderr`.
    package var stream: String?
    /// Only of instances that have ended.
    package var previous = false

    /// The last 1000 lines.
    package init() {}

    /// The last `tail` lines, not older than `since`.
    package init(since: Timestamp? = nil, tail: Int, follow: Bool = false) {
        self.since = since
        self.tail = tail
        self.follow = follow
    }

    /// Whether `line` is wanted; remarks of Kiln's own always are.
    func wants(_ line: LogLine) -> Bool {
        if let since, line.time < since { return false }
        if let stream, line.stream != stream, line.stream != LogParser.Source.remarks { return false }
        return true
    }
}

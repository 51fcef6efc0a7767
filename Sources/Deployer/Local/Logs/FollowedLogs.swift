import Contract

/// The files that a reader follows. Those whose instance is gone are forgotten after their last lines.
struct FollowedLogs {
    private final class Source {
        let path: String
        var reader: LogReader

        init(_ path: String, _ record: InstanceRecord, _ fileBytes: Int64) {
            self.path = path
            reader = LogReader(path, instance: record.id, revision: record.revisionNumber, fileBytes: fileBytes)
        }
    }

    /// Bytes that are read of one log at a time, about.
    private static let piece = 128 << 10

    private var sources: [String: Source] = [:]
    private var seen: Set<String> = []

    /// Whether the instance `id` was added.
    func has(_ id: String) -> Bool { seen.contains(id) }

    /// Follows the log at `path`; returns its last `tail` lines so far.
    mutating func add(_ record: InstanceRecord, path: String, tail: Int, fileBytes: Int64) -> [LogLine] {
        let source = Source(path, record, fileBytes)
        seen.insert(record.id)
        sources[record.id] = source
        return source.reader.last(tail)
    }

    /// The lines that have come, by time, and whether there are more already.
    mutating func next() -> (lines: [LogLine], isMore: Bool) {
        var lines: [LogLine] = []
        var isMore = false
        for (id, source) in sources {
            let ended = !DiskFile.exists(source.path)
            let new = source.reader.next(limit: Self.piece)
            isMore = isMore || source.reader.wasCutShort
            lines += new
            // The log is made before the container and moved away after it.
            if ended, source.reader.hasBegun, !source.reader.wasCutShort { sources[id] = nil }
        }
        let sorted = lines.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
        return (sorted.map(\.element), isMore)
    }
}

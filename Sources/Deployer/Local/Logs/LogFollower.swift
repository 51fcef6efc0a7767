import Contract

/// Reads the lines of a function's log one after the other, for one reader.
actor LogFollower {
    /// The least time between two looks at files that are written to all the time: at most ``FollowedLogs/piece`` of each log then.
    private static let pace = Duration.milliseconds(100)
    /// Most lines at a time.
    private static let batch = 1000

    private let logs: FunctionLogs
    private let function: FunctionName
    private let query: LogQuery
    private var ready: ArraySlice<LogLine>?
    private var lookedAt = ContinuousClock.now
    private var followed = FollowedLogs()
    private var changes: LogChanges?

    init(logs: FunctionLogs, function: FunctionName, query: LogQuery) {
        self.logs = logs
        self.function = function
        self.query = query
    }

    deinit { changes?.stop() }

    /// The next lines; `nil` at the end, or when the reader's task is cancelled.
    func next() async -> [LogLine]? {
        if ready == nil { ready = begin()[...] }
        while true {
            if let lines = ready, !lines.isEmpty {
                ready = lines.dropFirst(Self.batch)
                return Array(lines.prefix(Self.batch))
            }
            guard query.follow, !query.previous, let changes, await changes.wait() else { return nil }
            let rest = Self.pace - lookedAt.duration(to: .now)
            if rest > .zero { try? await Task.sleep(for: rest) }
            lookedAt = .now
            ready = more(changes)[...]
        }
    }

    private func begin() -> [LogLine] {
        // Watching before reading: what changes in between wakes the loop.
        if query.follow, !query.previous { changes = LogChanges(watch: logs.watch, instances: logs.instances) }
        var lines = logs.ended(function, query)
        if !query.previous {
            for record in logs.running(function, query) {
                lines += add(record, tail: query.stream == nil ? query.tail : .max)
            }
        }
        lines.removeAll { !query.wants($0) }
        // A stable order: lines of one instance that have the same time stay as they were printed.
        let sorted = lines.enumerated().sorted { ($0.element.time, $0.offset) < ($1.element.time, $1.offset) }
        return sorted.suffix(query.tail).map(\.element)
    }

    private func more(_ changes: LogChanges) -> [LogLine] {
        var (lines, isMore) = followed.next()
        // The records are read again only when an instance has come or gone, not for every line.
        if changes.takeNews() {
            for record in logs.running(function, query) where !followed.has(record.id) {
                lines += add(record, tail: .max)
            }
        }
        if isMore { changes.again() }
        return lines.filter(query.wants)
    }

    private func add(_ record: InstanceRecord, tail: Int) -> [LogLine] {
        let paths = InstancePaths(instances: logs.instances, id: record.id)
        changes?.watch(paths.directory)
        return followed.add(record, path: paths.log, tail: tail, fileBytes: logs.fileBytes)
    }
}

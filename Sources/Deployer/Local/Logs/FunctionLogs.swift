import Contract
import Synchronization

/// The logs of a function: of instances that run, found by their records on disk, and of ended ones that are kept.
struct FunctionLogs: Sendable {
    /// Lines that may wait for a slow reader while following; older ones are dropped then.
    private static let buffer = 4096

    let instances: String
    let archive: LogArchive
    let watch: DirectoryWatch

    /// The last `tail` lines of `function` that are not older than `since`, then with `follow` all new ones.
    func stream(of function: FunctionName, since: Timestamp?, tail: Int, follow: Bool) -> AsyncStream<LogLine> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: LogLine.self, bufferingPolicy: .bufferingNewest(max(Self.buffer, tail)))
        let task = Task.detached {
            await read(function, since: since, tail: tail, follow: follow, to: continuation)
            continuation.finish()
        }
        continuation.onTermination = { _ in task.cancel() }
        return stream
    }

    private func read(
        _ function: FunctionName, since: Timestamp?, tail: Int, follow: Bool, to sink: AsyncStream<LogLine>.Continuation
    ) async {
        let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let news = News()
        await withTaskGroup(of: Void.self) { group in
            // Watching before reading: what changes in between wakes the loop.
            if follow { forward(instances, to: wake, in: &group) { news.note() } }
            var followed = Followed()
            var lines: [LogLine] = []
            for entry in archive.entries(of: .revision(RevisionID(function: function, number: 0))) {
                var reader = LogReader(entry.path, instance: entry.instance, revision: entry.revision)
                lines += reader.last(tail)
            }
            for record in running(function) {
                let paths = InstancePaths(instances: instances, id: record.id)
                if follow { forward(paths.directory, to: wake, in: &group) }
                lines += followed.add(record, path: paths.log, tail: tail)
            }
            lines.sort { $0.time < $1.time }
            if let since { lines.removeAll { $0.time < since } }
            for line in lines.suffix(tail) { sink.yield(line) }
            guard follow else { return }

            for await _ in wakes {
                for line in followed.next() { sink.yield(line) }
                // The records are read again only when an instance has come or gone, not for every line.
                guard news.take() else { continue }
                for record in running(function) where !followed.has(record.id) {
                    let paths = InstancePaths(instances: instances, id: record.id)
                    forward(paths.directory, to: wake, in: &group)
                    for line in followed.add(record, path: paths.log, tail: .max) { sink.yield(line) }
                }
            }
            group.cancelAll()
        }
    }

    private func forward(
        _ directory: String, to wake: AsyncStream<Void>.Continuation, in group: inout TaskGroup<Void>,
        before: @escaping @Sendable () -> Void = {}
    ) {
        guard let changes = try? watch.changes(in: directory) else { return }
        group.addTask {
            for await _ in changes {
                before()
                wake.yield()
            }
            wake.yield()
        }
    }

    private func running(_ function: FunctionName) -> [InstanceRecord] {
        DiskFile.names(in: instances).filter(InstanceID.isValid).compactMap { id in
            guard let record = InstanceRecord.read(InstancePaths(instances: instances, id: id)),
                case .revision(let revision) = record.workload.id, revision.function == function
            else { return nil }
            return record
        }
    }
}

/// Whether instances have come or gone since somebody looked.
private final class News: Sendable {
    private let arrived = Mutex(false)

    func note() { arrived.withLock { $0 = true } }

    func take() -> Bool {
        arrived.withLock { arrived in
            defer { arrived = false }
            return arrived
        }
    }
}

/// The files that a reader follows. Those whose instance is gone are forgotten after their last lines.
private struct Followed {
    private final class Source {
        let path: String
        var reader: LogReader

        init(_ path: String, _ record: InstanceRecord) {
            self.path = path
            reader = LogReader(path, instance: record.id, revision: record.revisionNumber)
        }
    }

    private var sources: [String: Source] = [:]
    private var seen: Set<String> = []

    func has(_ id: String) -> Bool { seen.contains(id) }

    mutating func add(_ record: InstanceRecord, path: String, tail: Int) -> [LogLine] {
        let source = Source(path, record)
        seen.insert(record.id)
        sources[record.id] = source
        // Reading at least one line also moves the reader to the end.
        return Array(source.reader.last(max(tail, 1)).suffix(tail))
    }

    mutating func next() -> [LogLine] {
        var lines: [LogLine] = []
        for (id, source) in sources {
            let ended = !DiskFile.exists(source.path)
            lines += source.reader.next()
            // The log is made before the container and moved away after it.
            if ended, source.reader.hasBegun { sources[id] = nil }
        }
        return lines.sorted { $0.time < $1.time }
    }
}

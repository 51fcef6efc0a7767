import Contract
import Synchronization

/// The logs of a function: of instances that run, found by their records on disk, and of ended ones that are kept.
struct FunctionLogs: Sendable {
    let instances: String
    let archive: LogArchive
    let watch: DirectoryWatch
    /// How long each file of a log may become.
    let fileBytes: Int64

    /// The lines of `function` that `query` wants. They are read when somebody takes them: a reader that is too slow for a flood costs
    /// nothing, and finds a line that says how much it has missed.
    func stream(of function: FunctionName, _ query: LogQuery) -> AsyncStream<[LogLine]> {
        let follower = LogFollower(logs: self, function: function, query: query)
        return AsyncStream { await follower.next() }
    }

    /// The lines of ended instances.
    func ended(_ function: FunctionName, _ query: LogQuery) -> [LogLine] {
        var lines: [LogLine] = []
        for entry in archive.entries(of: .revision(RevisionID(function: function, number: 0)))
        where query.revision == nil || entry.revision == query.revision {
            var reader = LogReader(
                entry.path, instance: entry.instance, revision: entry.revision, fileBytes: fileBytes)
            lines += reader.last(query.stream == nil ? query.tail : .max)
        }
        return lines
    }

    /// The records of running instances.
    func running(_ function: FunctionName, _ query: LogQuery) -> [InstanceRecord] {
        DiskFile.names(in: instances).filter(InstanceID.isValid).compactMap { id in
            guard let record = InstanceRecord.read(InstancePaths(instances: instances, id: id)),
                case .revision(let revision) = record.workload.id, revision.function == function,
                query.revision == nil || revision.number == query.revision
            else { return nil }
            return record
        }
    }
}

import Contract
import Synchronization

/// Sees to it that a full log is kept until the next one is full too, see ``LogFiles``: one task for all instances, woken by the kernel when
/// an instance comes or conmon begins a new file, not when something is written.
final class LogKeeper: Sendable {
    private let task: Task<Void, Never>

    /// Looks after the instances in the directory `instances` until ``stop()``.
    init(instances: String) throws(DeployerError) {
        let watch = try DirectoryWatch(.entries)
        let coming = try watch.changes(in: instances)
        task = Task.detached {
            let (wakes, wake) = AsyncStream.makeStream(of: String?.self)
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    wake.yield(nil)
                    for await _ in coming { wake.yield(nil) }
                    wake.finish()
                }
                var watched: Set<String> = []
                for await id in wakes {
                    if let id {
                        if !Self.keep(id, in: instances) { watched.remove(id) }
                        continue
                    }
                    for id in DiskFile.names(in: instances) where InstanceID.isValid(id) && !watched.contains(id) {
                        guard
                            let changes = try? watch.changes(in: InstancePaths(instances: instances, id: id).directory)
                        else { continue }
                        watched.insert(id)
                        _ = Self.keep(id, in: instances)
                        group.addTask {
                            for await _ in changes { wake.yield(id) }
                            wake.yield(id)
                        }
                    }
                }
                group.cancelAll()
            }
        }
    }

    /// Stops looking.
    func stop() { task.cancel() }

    /// Whether the instance is still there.
    private static func keep(_ id: String, in instances: String) -> Bool {
        let paths = InstancePaths(instances: instances, id: id)
        LogFiles(paths.log).keep()
        return DiskFile.exists(paths.directory)
    }
}

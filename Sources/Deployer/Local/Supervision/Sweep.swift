import Contract
import Glibc

/// Removes what is left of instances that nobody supervises any more, found by where it is and what it is called.
struct Sweep: Sendable {
    let maker: InstanceMaker

    /// Removes all instances but `kept`, in whatever state their making or removal was interrupted. Network slots are not its
    /// business: ``NetworkPool/start(adopted:)`` does that.
    func run(keeping kept: Set<String>) async {
        let instances = maker.configuration.instances
        let directories = DiskFile.names(in: instances)
        var ids = Set(directories.filter(InstanceID.isValid))
        ids.formUnion(maker.runtime.instances())
        ids.formUnion(maker.cgroups.instances())
        await LeftoverProcesses(of: maker).end { !kept.contains($0) }
        // Mounts first, so that no directory is removed through one.
        let known = Set(kept.map { InstancePaths(instances: instances, id: $0).directory })
        for point in Mounts.points(below: instances).reversed()
        where !known.contains(where: { point.hasPrefix($0 + "/") }) {
            Mounts.removeAll(below: point)
        }
        await withTaskGroup(of: Void.self) { group in
            for id in ids.subtracting(kept) {
                group.addTask {
                    let paths = InstancePaths(instances: instances, id: id)
                    await maker.clear(id, paths: paths, record: InstanceRecord.read(paths))
                }
            }
        }
        for name in directories where !InstanceID.isValid(name) { DiskFile.removeTree("\(instances)/\(name)") }
    }
}

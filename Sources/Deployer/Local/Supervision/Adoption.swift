import Contract
import Glibc

/// Finds the instances that an earlier Deployer left running.
struct Adoption: Sendable {
    /// What was found.
    struct Found: Sendable {
        /// Running instances of desired workloads, no more than each wants.
        var kept: [WorkloadID: [Instance]] = [:]
        /// Running instances that nobody wants.
        var unwanted: [Instance] = []

        /// The ids of all of them.
        var all: Set<String> { Set((kept.values.flatMap(\.self) + unwanted).map(\.record.id)) }
    }

    let maker: InstanceMaker

    /// Looks through `instances/`. What is neither running nor under a monitor is in no list, and so for ``Sweep``.
    func find(_ desired: [Workload]) async -> Found {
        let wanted = Dictionary(desired.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
        var found = Found()
        for instance in await running() {
            let record = instance.record
            maker.userIDs.mark(record.userID)
            if record.workload.id != .checker { maker.budget.adopt(record.id, limit: record.workload.spec.memoryBytes) }
            let kept = found.kept[record.workload.id] ?? []
            if wanted[record.workload.id] == record.workload, kept.count < record.workload.spec.maximumInstances {
                found.kept[record.workload.id] = kept + [instance]
            } else {
                found.unwanted.append(instance)
            }
        }
        return found
    }

    private func running() async -> [Instance] {
        let ids = DiskFile.names(in: maker.configuration.instances).filter(InstanceID.isValid)
        // Each asks the runtime, a process of some milliseconds: a few at a time.
        return await withTaskGroup(of: Instance?.self) { group in
            var rest = ids[...]
            for _ in 0..<4 { if let id = rest.popFirst() { group.addTask { await instance(id) } } }
            var instances: [Instance] = []
            for await instance in group {
                if let instance { instances.append(instance) }
                if let id = rest.popFirst() { group.addTask { await self.instance(id) } }
            }
            return instances.sorted { ($0.record.created, $0.record.id) < ($1.record.created, $1.record.id) }
        }
    }

    private func instance(_ id: String) async -> Instance? {
        let paths = InstancePaths(instances: maker.configuration.instances, id: id)
        guard let record = InstanceRecord.read(paths), record.id == id,
            record.addressPool == nil || record.addressPool == maker.pool.range.description,
            let number = DiskFile.text(paths.processID).flatMap({ pid_t($0.filter { !$0.isWhitespace }) }),
            let process = ProcessHandle(pid: number),
            // Asked after the handle was made: the runtime knows its process by start time too, so the handle is of that one.
            let state = await maker.runtime.state(of: id), state.status == "running", state.pid == number,
            let monitor = Monitor.running(paths, instance: id)
        else { return nil }
        let slot = record.networkSlot.map { NetworkSlot(number: $0, policy: record.workload.spec.network) }
        return Instance(record: record, paths: paths, process: process, monitor: monitor, slot: slot)
    }
}

import Contract
import Logging

extension Reconciler {
    /// The end of a workload that no longer serves: first it drains, then it is stopped.
    struct Retirement {
        enum Phase { case draining, stopping }
        var phase: Phase
        var generation: Int
        var isParking: Bool
        var task: Task<Void, Never>
    }

    /// Stops `id` as soon as every Router routes by `version` and its last request has ended, or the drain time is over. Parking
    /// waits for the last request however long it takes.
    func scheduleRetirement(_ id: WorkloadID, after version: TableVersion, isParking: Bool = false) {
        let current = retirements[id]
        if let current {
            guard current.isParking, !isParking else { return }
            // What is being parked is then ended whole.
            if current.phase == .draining { current.task.cancel() }
        }
        let instances = Set((endpoints[id] ?? []).map(\.id))
        let deadline = ContinuousClock.now.advanced(by: isParking ? .seconds(10 * 365 * 86_400) : timing.drain)
        let generation = Int.random(in: .min ... .max)
        let task = Task {
            if let current { await current.task.value }
            await drain(id, of: instances, version, isParking: isParking, deadline: deadline)
            guard beginStopping(id, generation) else { return }
            if isParking { await backend.park(id) } else { await backend.retire(id) }
            endStopping(id, generation)
        }
        retirements[id] = Retirement(phase: .draining, generation: generation, isParking: isParking, task: task)
    }

    /// Returns when no Router sends requests to `instances` of `id` any more nor has any under way, or at `deadline`.
    private func drain(
        _ id: WorkloadID, of instances: Set<String>, _ version: TableVersion, isParking: Bool,
        deadline: ContinuousClock.Instant
    ) async {
        guard let routers, case .revision(let revision) = id else {
            return await hub.settle(version, without: instances, deadline: deadline)
        }
        if isParking {
            // They go on sending until the instances leave; a request that comes meanwhile calls it off. What comes in its last moment
            // ends while the instances do.
            try? await Task.sleep(for: timing.hearsay + LoadBook.interval * 2)
        } else if await !routers.settle(routeCheck(revision.function, without: instances), deadline: deadline) {
            try? await Task.sleep(until: deadline)
        }
    }

    /// Keeps `id` running if it is still draining; if it is being stopped, waits until it has.
    func cancelRetirement(_ id: WorkloadID) async {
        guard let retirement = retirements[id] else { return }
        if retirement.phase == .draining {
            retirement.task.cancel()
            retirements[id] = nil
        }
        // Being parked before may still be under way.
        await retirement.task.value
    }

    private func beginStopping(_ id: WorkloadID, _ generation: Int) -> Bool {
        guard !Task.isCancelled, retirements[id]?.generation == generation else { return false }
        retirements[id]?.phase = .stopping
        return true
    }

    private func endStopping(_ id: WorkloadID, _ generation: Int) {
        guard retirements[id]?.generation == generation else { return }
        retirements[id] = nil
    }
}

import Contract
import Logging

// A revision that nobody calls is parked: it serves, but has no instance until the next request, which the Router holds meanwhile.
//
// What is parked is not recorded: after a start of the Deployer, a revision that may be parked and has no instance is.
extension Reconciler {
    /// Stops the instances of `id`. No request is lost: first no Router sends to them any more, then the last request ends, however long
    /// that takes, and a request that comes meanwhile calls it off.
    func park(_ id: WorkloadID) async {
        guard case .revision(let revision) = id, retirements[id] == nil, waking[id] == nil,
            parked.insert(id).inserted
        else { return }
        scales[id] = nil
        let version = await publish(revision.function)
        guard parked.contains(id), waking[id] == nil, servingRevision(revision) != nil else { return }
        metrics.count("kiln_parks_total")
        logger.info("parking", metadata: ["revision": "\(revision)"])
        scheduleRetirement(id, after: version, isParking: true)
    }

    /// Lets a parked revision have instances again, because requests wait for it, and those that it shares the traffic with. At once;
    /// nothing when it is not parked.
    func wake(_ revision: RevisionID) {
        wakeAlone(revision)
        if let record = serving[revision.function], record.split != nil, record.percent(of: revision.number) > 0 {
            for sibling in record.sharing { wakeAlone(sibling.id) }
        }
    }

    func wakeAlone(_ revision: RevisionID) {
        let id = WorkloadID.revision(revision)
        guard parked.contains(id), waking[id] == nil, notices[id] == nil, let target = servingRevision(revision) else {
            return
        }
        waking[id] = Task { await wake(target, id) }
    }

    /// Rolls out, and when the machine has no room, parks what may be and has not been called for the longest time.
    func rollOutWithRoom(_ workload: Workload) async throws {
        while true {
            do {
                return try await backend.rollOut(workload)
            } catch let failure as RolloutFailure where failure.code == .noRoom {
                guard await makeRoom(for: workload.id) else { throw failure }
            }
        }
    }

    /// Parks one workload; `false` when none may be parked, or it does not end.
    private func makeRoom(for id: WorkloadID) async -> Bool {
        let now = ContinuousClock.now
        let candidates = scales.filter { candidate, state in
            guard case .revision(let name) = candidate, candidate != id, retirements[candidate] == nil,
                raising[candidate] == nil, let revision = servingRevision(name),
                timing.scaling.idle(revision.spec) != nil, siblings(of: name).isEmpty
            else { return false }
            return state.active.duration(to: now) >= timing.restBeforeEviction
                && !loads.load(of: name, at: now).isActive
        }
        guard let oldest = candidates.min(by: { $0.value.active < $1.value.active })?.key else { return false }
        await park(oldest)
        guard let retirement = retirements[oldest] else { return true }
        await retirement.task.value
        return !Task.isCancelled
    }

    private func wake(_ revision: Revision, _ id: WorkloadID) async {
        defer { waking[id] = nil }
        let started = ContinuousClock.now
        do {
            try await bringUpInTime(revision, id)
            wakeFailures[id] = nil
            metrics.woken("ready", after: started.duration(to: .now))
            logger.info(
                "woken",
                metadata: [
                    "revision": "\(revision.id)",
                    "milliseconds": "\(Int(started.duration(to: .now) / .milliseconds(1)))",
                ])
        } catch {
            metrics.woken(
                (error as? RolloutFailure)?.code.rawValue ?? "cancelled", after: started.duration(to: .now))
            if servingRevision(revision.id) != nil { await rest(revision, id, error) }
        }
        // Deleted or unpinned in between: nobody else knows of what has just been started.
        if servingRevision(revision.id) == nil, raising[id] == nil { scheduleRetirement(id, after: await hub.version) }
    }

    /// Brings up a parked revision; while the machine has no room, as long as requests wait for it.
    private func bringUpInTime(_ revision: Revision, _ id: WorkloadID) async throws {
        while true {
            do {
                try await bringUp(Workload(revision), isWaking: true)
                return
            } catch let failure as RolloutFailure where failure.code == .noRoom && servingRevision(revision.id) != nil {
                parked.insert(id)
                notices[id] = .waiting(failure.message)
                await publish(revision.function)
                try await Task.sleep(for: .milliseconds(250))
                let isAwaited = awaited[id].map { $0.duration(to: .now) < LoadBook.validity } ?? false
                guard isAwaited else { throw failure }
            }
        }
    }

    /// After a start that failed, requests are told why for a while; then the next one may try again.
    private func rest(_ revision: Revision, _ id: WorkloadID, _ error: any Error) async {
        let failures = (wakeFailures[id] ?? 0) + 1
        wakeFailures[id] = failures
        let reason = (error as? RolloutFailure)?.message ?? "\(error)"
        parked.insert(id)
        if (error as? RolloutFailure)?.code == .noRoom {
            // Whoever comes next may wait again.
            wakeFailures[id] = nil
            notices[id] = nil
            await publish(revision.function)
            return
        }
        logger.warning("waking failed", metadata: ["revision": "\(revision.id)", "reason": "\(reason)"])
        notices[id] = .failed(reason)
        await publish(revision.function)
        let pause = min(timing.wakeRest.lowerBound * (1 << min(failures - 1, 10)), timing.wakeRest.upperBound)
        Task {
            try? await Task.sleep(for: pause)
            await self.endRest(revision.id)
        }
    }

    private func endRest(_ revision: RevisionID) async {
        guard notices.removeValue(forKey: .revision(revision)) != nil else { return }
        await publish(revision.function)
    }

    /// Forgets what is parked and serves no more: of `name`, which served as `before` says.
    func forgetParked(_ name: FunctionName, _ before: ServingRecord?) {
        for revision in before?.revisions ?? []
        where servingRevision(revision.id) == nil {
            let id = WorkloadID.revision(revision.id)
            parked.remove(id)
            notices[id] = nil
            wakeFailures[id] = nil
            awaited[id] = nil
            scales[id] = nil
            loads.forget(revision.id)
        }
    }
}

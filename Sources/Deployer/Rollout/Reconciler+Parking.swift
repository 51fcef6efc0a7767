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
        logger.info("parking", metadata: ["revision": "\(revision)"])
        scheduleRetirement(id, after: version, isParking: true)
    }

    /// Lets a parked revision have instances again, because requests wait for it. At once; nothing when it is not parked.
    func wake(_ revision: RevisionID) {
        let id = WorkloadID.revision(revision)
        guard parked.contains(id), waking[id] == nil, notices[id] == nil, let target = servingRevision(revision) else {
            return
        }
        waking[id] = Task { await wake(target, id) }
    }

    private func wake(_ revision: Revision, _ id: WorkloadID) async {
        defer { waking[id] = nil }
        let started = ContinuousClock.now
        do {
            try await bringUp(Workload(revision), isWaking: true)
            wakeFailures[id] = nil
            logger.info(
                "woken",
                metadata: [
                    "revision": "\(revision.id)",
                    "milliseconds": "\(Int(started.duration(to: .now) / .milliseconds(1)))",
                ])
        } catch {
            if servingRevision(revision.id) != nil { await rest(revision, id, error) }
        }
        // Deleted or unpinned in between: nobody else knows of what has just been started.
        if servingRevision(revision.id) == nil, raising[id] == nil { scheduleRetirement(id, after: await hub.version) }
    }

    /// After a start that failed, requests are told why for a while; then the next one may try again.
    private func rest(_ revision: Revision, _ id: WorkloadID, _ error: any Error) async {
        let failures = (wakeFailures[id] ?? 0) + 1
        wakeFailures[id] = failures
        let reason = (error as? RolloutFailure)?.message ?? "\(error)"
        logger.warning("waking failed", metadata: ["revision": "\(revision.id)", "reason": "\(reason)"])
        parked.insert(id)
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
        for revision in [before?.live].compactMap(\.self) + (before?.pinned ?? [])
        where servingRevision(revision.id) == nil {
            let id = WorkloadID.revision(revision.id)
            parked.remove(id)
            notices[id] = nil
            wakeFailures[id] = nil
            scales[id] = nil
            loads.forget(revision.id)
        }
    }
}

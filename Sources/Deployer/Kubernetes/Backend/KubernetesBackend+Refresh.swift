import Contract
import Kubernetes
import Logging

// A Deployer of another version, or with other settings, makes other objects of the same revisions. What runs is brought in line with it
// beside everything else: there may be thousands, and deploys must not wait.
extension KubernetesBackend {
    /// Revisions that are brought in line at a time.
    private static let parallel = 8
    /// Until one that could not be is tried again.
    private static let pause = Duration.seconds(5)

    /// Begins to apply those of `workloads` whose objects would be made otherwise now.
    func bringInLine(_ workloads: [Workload]) throws {
        for workload in workloads where try isStale(workload) {
            if let id = workload.revisionID { stale[id] = workload }
        }
        guard !stale.isEmpty else { return }
        logger.notice("bringing revisions in line", metadata: ["count": "\(stale.count)"])
        for _ in 0..<min(Self.parallel, stale.count) { Task { await self.work() } }
    }

    /// Takes `id` out of what is brought in line; returns when nobody is at it.
    func leaveAsItIs(_ id: RevisionID) async {
        stale[id] = nil
        guard let refresh = refreshes[id] else { return }
        refresh.cancel()
        await refresh.value
    }

    private func work() async {
        while let (id, workload) = stale.popFirst() {
            let refresh = Task { await self.refresh(id, workload) }
            refreshes[id] = refresh
            await refresh.value
            refreshes[id] = nil
        }
    }

    private func refresh(_ id: RevisionID, _ workload: Workload) async {
        while !Task.isCancelled, known(id).deployment != nil {
            do {
                try await apply(workload)
                return
            } catch {
                // Another Deployer leads, and does so.
                if (error as? APIError)?.code == .fenced { return }
                logger.warning("cannot bring in line", metadata: ["revision": "\(id)", "error": "\(error)"])
            }
            try? await Task.sleep(for: Self.pause)
        }
    }
}

import Contract
import Logging

// A canary that fails too often loses its share without anybody's doing.
extension Reconciler {
    /// Takes note of how requests of `revision` ended; steps back when that is enough.
    func judge(_ revision: RevisionID, ended: Int, failed: Int) {
        guard let record = serving[revision.function], let split = record.split, let bound = split.stepBack,
            revision.number != record.live?.number, record.percent(of: revision.number) > 0
        else { return }
        var judge = canaries[revision.function]?[revision.number] ?? CanaryJudge(bound)
        let verdict = judge.note(ended: ended, failed: failed)
        canaries[revision.function, default: [:]][revision.number] = judge
        guard let verdict else { return }
        canaries[revision.function]?[revision.number] = nil
        Task { await stepBack(from: revision, split, "Revision \(revision.number): \(verdict).") }
    }

    /// Leads all of the traffic to the live revision, if it is still divided as `split` says.
    private func stepBack(from canary: RevisionID, _ split: TrafficSplit, _ reason: String) async {
        do {
            try await lanes.run(canary.function) {
                guard let record = await self.serving[canary.function], record.split == split, let live = record.live
                else { return }
                self.logger.warning(
                    "stepping back",
                    metadata: ["revision": "\(canary)", "to": "\(live.number)", "reason": "\(reason)"])
                await self.observer?.rollOut(of: canary, .steppedBack(reason))
                let ticket = try await self.store.issueTicket(for: canary.function)
                _ = try await self.lead(
                    canary.function, to: .all(live.number), ticket: ticket, cause: .stepBack, reason: reason)
                self.metrics.count("kiln_step_backs_total")
            }
        } catch {
            logger.error("cannot step back", metadata: ["revision": "\(canary)", "error": "\(error)"])
        }
    }
}

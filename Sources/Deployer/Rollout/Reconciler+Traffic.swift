import Contract
import Logging

// Traffic divided between revisions, each with instances and a scale of its own. One of them is the live one: what a rollback ends at,
// and what a new deploy takes the place of.
extension Reconciler {
    /// Divides the traffic of `name`, or leads all of it to one revision. Revisions that do not serve yet are started first; when one does
    /// not come up, nothing changes.
    package func divide(_ name: FunctionName, _ goal: TrafficGoal) async throws -> DeployAnswer {
        let started = ContinuousClock.now
        guard try await store.function(name) != nil else { throw Self.unknown(name) }
        let ticket = try await store.issueTicket(for: name)
        return try await lanes.run(name) {
            var answer = try await self.lead(name, to: goal, ticket: ticket, cause: .traffic)
            answer.timings = ["rollOut": started.duration(to: .now) / .milliseconds(1)]
            return answer
        }
    }

    /// ``divide(_:_:)`` in the lane of `name`.
    func lead(
        _ name: FunctionName, to goal: TrafficGoal, ticket: Int, cause: LiveCause, reason: String? = nil
    ) async throws -> DeployAnswer {
        guard let record = try await store.function(name) else { throw Self.unknown(name) }
        let numbers: [Int]
        let split: TrafficSplit?
        switch goal {
        case .all(let number): (numbers, split) = ([number], nil)
        case .split(let wanted): (numbers, split) = (wanted.shares.map(\.revision), wanted)
        }
        let revisions = try numbers.map { number in
            guard let entry = record.revisions.first(where: { $0.revision.number == number }) else {
                throw Self.missing(number, in: record)
            }
            return entry.revision
        }
        let number = split.map { $0.live(before: record.summary.live?.number) } ?? numbers.first
        guard let live = revisions.first(where: { $0.number == number }) else { throw Self.unknown(name) }
        if live == record.summary.live, split == record.summary.split {
            return answer(live, isLive: true, isUnchanged: true)
        }
        let before = serving[name]
        try await bringUp(revisions.filter { servingRevision($0.id) == nil })
        let outcome = try await store.goLive(live.id, split: split, ticket: ticket, cause: cause, reason: reason)
        let version = try await refresh(name)
        switch outcome {
        case .live:
            await observer?.rollOut(of: live.id, .live(cause))
            await waitForRouters(name, version)
            logger.info(
                "traffic divided",
                metadata: [
                    "function": "\(name)", "traffic": "\(split?.description ?? "r\(live.number)=100%")",
                    "cause": "\(cause.rawValue)",
                ])
        case .superseded: break
        case .deleted:
            for revision in revisions { retireUnlessServing(revision.id, version) }
            throw Self.deletedMeanwhile(name)
        }
        for revision in revisions + (before?.revisions ?? []) { retireUnlessServing(revision.id, version) }
        return answer(live, isLive: outcome != .superseded)
    }

    /// Starts what is to have a part in the traffic. When one does not come up, none of them is left.
    private func bringUp(_ revisions: [Revision]) async throws {
        for revision in revisions {
            do {
                try await bringUp(Workload(revision))
            } catch let failure as RolloutFailure {
                for revision in revisions { retireUnlessServing(revision.id, await hub.version) }
                throw Self.problem(failure, revision.id)
            }
        }
    }

    /// What is live once `id` is ready, and how the traffic is divided then.
    func place(
        for id: RevisionID, _ share: CanaryShare?, _ cause: LiveCause, _ before: ServingRecord?
    ) -> (live: RevisionID, TrafficSplit?) {
        guard let live = before?.live else { return (id, nil) }
        if let share {
            var split = TrafficSplit(live: live.number, canary: id.number, percent: share.percent)
            split.sticky = share.sticky ?? before?.split?.sticky
            split.stepBack = share.stepBack ?? before?.split?.stepBack
            return (live.id, split)
        }
        // What is made again on another base has the share of what it replaces.
        if cause == .rebake, let split = before?.split { return (id, split.replacing(live.number, by: id.number)) }
        return (id, nil)
    }

    /// The answer about `revision` as it serves now.
    func answer(
        _ revision: Revision, isLive: Bool, isUnchanged: Bool = false, timings: [String: Double] = [:]
    ) -> DeployAnswer {
        var answer = DeployAnswer(
            revision: revision, unchanged: isUnchanged, superseded: !isLive, serving: isLive, timings: timings)
        guard isLive, let record = serving[revision.function], let split = record.split else { return answer }
        answer.traffic = split.shares
        if split.percent(of: revision.number) == 0 { answer.url = "/fn/\(revision.id)" }
        return answer
    }

    // MARK: Parking

    /// The revisions that share the traffic with `id`; none when it has all or nothing of it.
    func siblings(of id: RevisionID) -> [Revision] {
        guard let record = serving[id.function], record.split != nil, record.percent(of: id.number) > 0 else {
            return []
        }
        return record.sharing.filter { $0.number != id.number }
    }

    /// Whether nobody has called those that share the traffic with `id` for so long that they may be parked. Of several revisions that
    /// share it none is parked alone: Routers send nothing to one without an instance while another has some.
    func siblingsRest(of id: RevisionID, at now: ContinuousClock.Instant) -> Bool {
        siblings(of: id).allSatisfy { sibling in
            let workload = WorkloadID.revision(sibling.id)
            if parked.contains(workload) { return true }
            guard let idle = timing.scaling.idle(sibling.spec), let state = scales[workload] else { return false }
            return state.active.duration(to: now) >= idle + LoadBook.interval
                && !loads.load(of: sibling.id, at: now).isActive
        }
    }

    /// Wakes those that are parked while others that they share the traffic with are not.
    func wakeSiblings(of name: FunctionName) {
        guard let sharing = serving[name]?.sharing, sharing.count > 1,
            sharing.contains(where: { !parked.contains(.revision($0.id)) })
        else { return }
        for revision in sharing { wakeAlone(revision.id) }
    }
}

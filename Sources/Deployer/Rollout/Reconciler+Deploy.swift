import Contract
import Logging

extension Reconciler {
    /// Carries out a finished build and answers when its revision serves, or at once when it is not to wait.
    package func deploy(_ name: FunctionName, _ request: DeployRequest, requestID: String) async throws -> DeployAnswer
    {
        let started = ContinuousClock.now
        let known = try await gate.readmit(name, request.ticket)
        defer { Task { await gate.end(name, request.ticket) } }
        if !known, try await !tags.has(request.image) { throw Self.collectedMeanwhile(name) }
        if let trust {
            do throws(RolloutFailure) { try await trust.check(request.image) } catch {
                throw Self.refusal(error, of: name)
            }
        }
        let floor = try await highestTag(name)
        var logger = logger
        logger[metadataKey: "requestId"] = "\(requestID)"
        return try await lanes.run(name) { [logger] in
            var (ticket, cause) = (request.ticket, LiveCause.deploy)
            if let replaced = request.replaces {
                (ticket, cause) = (try await self.place(of: replaced, name), .rebake)
            }
            let draft = RevisionDraft(
                function: name, image: request.image, spec: request.spec, ticket: ticket, now: .now(),
                source: .call(force: request.force == true), share: CanaryShare(request))
            let outcome = try await self.store.record(draft, floor: floor)
            await self.gate.end(name, request.ticket)
            switch outcome {
            case .deleted: throw Self.deletedMeanwhile(name)
            case .unchanged(let revision):
                // What is live is to have all of the traffic.
                if request.traffic == nil, request.replaces == nil, await self.serving[name]?.split != nil {
                    _ = try await self.lead(name, to: .all(revision.number), ticket: ticket, cause: .deploy)
                }
                return DeployAnswer(
                    revision: revision, unchanged: true, superseded: false, serving: true, timings: request.timings)
            case .superseded(let revision):
                Task { await self.tag(revision) }
                return DeployAnswer(
                    revision: revision, unchanged: false, superseded: true, serving: false, timings: request.timings)
            case .pending(let revision):
                logger.info(
                    "revision recorded", metadata: ["revision": "\(revision.id)", "image": "\(revision.image)"])
                Task { await self.tag(revision) }
                guard request.wait else {
                    Task { [ticket, cause] in
                        await self.rollOutLater(revision, ticket: ticket, cause: cause, share: CanaryShare(request))
                    }
                    return DeployAnswer(
                        revision: revision, unchanged: false, superseded: false, serving: false,
                        timings: request.timings)
                }
                let live = try await self.rollOut(revision, ticket: ticket, cause: cause, share: CanaryShare(request))
                var timings = request.timings
                timings["rollOut"] = started.duration(to: .now) / .milliseconds(1)
                return await self.answer(revision, isLive: live, timings: timings)
            }
        }
    }

    /// Makes revision `number`, or the one that was live before, live again: no build, no push.
    package func rollback(_ name: FunctionName, to number: Int?) async throws -> DeployAnswer {
        let started = ContinuousClock.now
        guard try await store.function(name) != nil else { throw Self.unknown(name) }
        let ticket = try await store.issueTicket(for: name)
        return try await lanes.run(name) {
            guard let record = try await self.store.function(name) else { throw Self.unknown(name) }
            let revision = try Self.rollbackTarget(record, number)
            if revision.number == record.summary.live?.number, record.summary.split == nil {
                return DeployAnswer(
                    revision: revision, unchanged: true, superseded: false, serving: true, timings: [:])
            }
            let live = try await self.rollOut(revision, ticket: ticket, cause: .rollback)
            return DeployAnswer(
                revision: revision, unchanged: false, superseded: !live, serving: live,
                timings: ["rollOut": started.duration(to: .now) / .milliseconds(1)])
        }
    }

    /// Removes a function: no new request reaches it when this returns; requests in flight end first.
    package func delete(_ name: FunctionName) async throws {
        guard try await store.function(name) != nil else { throw Self.unknown(name) }
        let ticket = try await store.issueTicket(for: name)
        try await lanes.run(name) {
            let record = await self.serving[name]
            guard try await self.store.delete(name, ticket: ticket) else { throw Self.unknown(name) }
            let version = try await self.refresh(name)
            await self.waitForRouters(name, version)
            for revision in record?.revisions ?? [] {
                await self.scheduleRetirement(.revision(revision.id), after: version)
            }
        }
    }

    /// Lets a revision answer under `/fn/NAME@R` until it is unpinned.
    package func pin(_ id: RevisionID) async throws {
        try await lanes.run(id.function) {
            guard let record = try await self.store.function(id.function) else { throw Self.unknown(id.function) }
            guard let entry = record.revisions.first(where: { $0.revision.number == id.number }) else {
                throw Self.missing(id.number, in: record)
            }
            do {
                try await self.bringUp(Workload(entry.revision))
            } catch let failure as RolloutFailure {
                throw Self.problem(failure, id)
            }
            _ = try await self.store.setPinned(id, true)
            await self.waitForRouters(id.function, try await self.refresh(id.function))
        }
    }

    /// Ends a pin; a revision that is live stays.
    package func unpin(_ id: RevisionID) async throws {
        try await lanes.run(id.function) {
            guard try await self.store.setPinned(id, false) else { throw Self.unknownRevision(id) }
            let version = try await self.refresh(id.function)
            await self.waitForRouters(id.function, version)
            await self.retireUnlessServing(id, version)
        }
    }

    /// Rolls a recorded revision out and moves the traffic; `false` when a later deploy has gone live meanwhile.
    ///
    /// With a `share`, what is live keeps the rest of the traffic.
    func rollOut(_ revision: Revision, ticket: Int, cause: LiveCause, share: CanaryShare? = nil) async throws -> Bool {
        let id = revision.id
        let started = ContinuousClock.now
        await observer?.rollOut(of: revision.id, .began)
        do {
            try await bringUp(Workload(revision))
        } catch let failure as RolloutFailure {
            await observer?.rollOut(of: id, .failed(failure))
            metrics.rolledOut(cause, failure.code.rawValue, after: started.duration(to: .now))
            try await store.fail(id, reason: failure.message)
            logger.warning("roll-out failed", metadata: ["revision": "\(id)", "reason": "\(failure.message)"])
            throw Self.problem(failure, id)
        }
        let before = serving[id.function]
        let (live, split) = place(for: id, share, cause, before)
        switch try await store.goLive(live, split: split, ticket: ticket, cause: cause, reason: nil) {
        case .live:
            let version = try await refresh(id.function)
            await observer?.rollOut(of: id, .live(cause))
            await waitForRouters(id.function, version)
            for revision in before?.revisions ?? [] { retireUnlessServing(revision.id, version) }
            metrics.rolledOut(cause, "live", after: started.duration(to: .now))
            logger.info("revision live", metadata: ["revision": "\(id)", "cause": "\(cause.rawValue)"])
            return true
        case .superseded:
            metrics.rolledOut(cause, "superseded", after: started.duration(to: .now))
            await observer?.rollOut(of: id, .superseded)
            retireUnlessServing(id, await hub.version)
            return false
        case .deleted:
            retireUnlessServing(id, await hub.version)
            throw Self.deletedMeanwhile(id.function)
        }
    }

    /// Starts `workload` and waits until all of its instances are ready. `isWaking`: requests wait for the first one.
    func bringUp(_ workload: Workload, isWaking: Bool = false) async throws {
        let id = workload.id
        raising[id, default: 0] += 1
        defer { raising[id] = (raising[id] ?? 0) > 1 ? (raising[id] ?? 0) - 1 : nil }
        // A parked revision was let through when it was rolled out.
        if !isWaking, let trust { try await trust.check(workload.image) }
        await cancelRetirement(id)
        if isWaking, parked.remove(id) != nil, case .revision(let revision) = id { await publish(revision.function) }
        try await rollOutWithRoom(workload)
        scales[id]?.active = .now
        notices[id] = nil
        if parked.remove(id) != nil, case .revision(let revision) = id { await publish(revision.function) }
    }

    func retireUnlessServing(_ id: RevisionID, _ version: TableVersion) {
        guard servingRevision(id) == nil else { return }
        scheduleRetirement(.revision(id), after: version)
    }

    /// Returns when all Routers route `name` as it is recorded, by `version` of the table, or have had time enough to.
    func waitForRouters(_ name: FunctionName, _ version: TableVersion) async {
        let deadline = ContinuousClock.now.advanced(by: timing.switchOver)
        guard let routers else { return await hub.settle(version, without: [], deadline: deadline) }
        if await !routers.settle(routeCheck(name), deadline: deadline) { try? await Task.sleep(for: timing.hearsay) }
    }

    /// What Routers of a cluster are asked: whether they route `name` as it is recorded.
    func routeCheck(_ name: FunctionName, without: Set<String> = []) -> RouteCheck {
        let record = serving[name]
        let sharing = record?.sharing.map(\.number) ?? []
        return RouteCheck(
            function: name, live: record?.live?.number,
            pinned: Set((record?.revisions ?? []).map(\.number)).subtracting(sharing), without: without,
            shares: sharing.count > 1 ? record?.split?.shares.filter { $0.percent > 0 } : nil)
    }

    /// The ticket of the live revision, which a rebake of it goes under; throws a 409 when another one is live by now.
    private func place(of replaced: Int, _ name: FunctionName) async throws -> Int {
        guard let record = try await store.function(name), record.summary.live?.number == replaced else {
            throw Problem(
                "superseded", 409, "Superseded",
                "Another revision of '\(name)' went live while \(replaced) was rebaked, and stays. Rebake it, if it needs that."
            )
        }
        return record.liveTicket
    }

    func rollOutLater(_ revision: Revision, ticket: Int, cause: LiveCause, share: CanaryShare? = nil) async {
        do {
            _ = try await lanes.run(revision.function) {
                try await self.rollOut(revision, ticket: ticket, cause: cause, share: share)
            }
        } catch {
            logger.warning("roll-out failed", metadata: ["revision": "\(revision.id)", "error": "\(error)"])
        }
    }

    /// Goes on with what an earlier Deployer recorded and could not finish.
    func resumePending() async {
        do {
            for item in interrupted {
                guard try await store.countAttempt(item.revision.id) <= timing.attempts else {
                    try await store.fail(item.revision.id, reason: "the Deployer ended in the middle of its roll-out")
                    await backend.retire(.revision(item.revision.id))
                    continue
                }
                logger.info("resuming roll-out", metadata: ["revision": "\(item.revision.id)"])
                // Only a rebake is recorded under the ticket of what is live, see ``place(of:_:)``.
                let live = try await store.function(item.revision.function)?.liveTicket
                await rollOutLater(
                    item.revision, ticket: item.ticket, cause: item.ticket == live ? .rebake : .deploy,
                    share: item.share)
            }
        } catch {
            logger.error("cannot resume roll-outs", metadata: ["error": "\(error)"])
        }
    }
}

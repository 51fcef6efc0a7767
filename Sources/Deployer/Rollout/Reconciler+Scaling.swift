import Contract
import Logging

extension Reconciler {
    /// When instances come and go with the load.
    package struct Scaling: Sendable {
        /// The share of an instance's concurrency and CPU limit that it should have on average; flag `--scale-target`.
        package var target = 0.7
        /// For how long fewer instances must have been enough before any is stopped; flag `--scale-down-after`.
        package var downAfter: Duration = .seconds(60)
        /// What is measured is averaged over so long.
        package var window: Duration = .seconds(3)
        /// How often it is looked at.
        package var interval: Duration = .seconds(1)
        /// After how long without a request a function is parked that says nothing about it; `nil` is never; flag `--idle`.
        package var idle: Duration?

        /// The defaults.
        package init() {}

        var policy: Autoscaler.Policy {
            var policy = Autoscaler.Policy()
            policy.target = target
            policy.stabilization = downAfter
            policy.window = window
            return policy
        }

        /// After how long without a request a revision with `spec` is parked; `nil` is never.
        func idle(_ spec: FunctionSpec) -> Duration? {
            switch spec.idleSeconds {
            case nil: idle
            case 0: nil
            case let seconds?: .seconds(seconds)
            }
        }
    }

    /// So long after a request the limits of instances are looked at in every round.
    private static let limitsWatched: Duration = .seconds(10)

    /// What is remembered of a workload that runs.
    struct ScaleState {
        var scaler: Autoscaler
        /// When there was a request last, or the instances came.
        var active: ContinuousClock.Instant
        /// Whether there may be a reason to have another number of instances.
        var isWatched = false
        /// How many there were to be when that changed last.
        var asked: Int?
    }

    /// Takes note of what a Router says about its requests.
    func take(_ load: RouterLoad, of router: String) {
        let now = ContinuousClock.now
        for revision in load.revisions {
            loads.note(revision, of: router, at: now)
            if let ended = revision.ended { judge(revision.revision, ended: ended, failed: revision.failed ?? 0) }
            guard revision.isActive else { continue }
            if serving[revision.revision.function]?.split != nil { wakeSiblings(of: revision.revision.function) }
            scales[.revision(revision.revision)]?.active = now
            scales[.revision(revision.revision)]?.isWatched = true
            // Routers that are not fed by this Deployer go on sending to what is being parked.
            if routers != nil, retirements[.revision(revision.revision)]?.isParking == true {
                wake(revision.revision)
            }
        }
        for revision in load.awaited {
            if parked.contains(.revision(revision)) || waking[.revision(revision)] != nil {
                awaited[.revision(revision)] = now
            }
            wake(revision)
        }
    }

    /// What the Routers said last about `revision`.
    func load(of revision: RevisionID) -> RevisionLoad { loads.load(of: revision, at: .now) }

    /// Looks at all workloads again and again, until cancelled.
    func followLoad() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: timing.scaling.interval)
            for id in Array(endpoints.keys) { await scale(id) }
            for id in Array(scales.keys) where endpoints[id] == nil { scales[id] = nil }
        }
    }

    private func scale(_ id: WorkloadID) async {
        guard case .revision(let name) = id, let revision = servingRevision(name), retirements[id] == nil,
            !parked.contains(id)
        else { return }
        let now = ContinuousClock.now
        let spec = revision.spec
        var state = scales[id] ?? ScaleState(scaler: scaler(spec), active: now, isWatched: true)
        // The last report may be as old as the time between two.
        if let idle = timing.scaling.idle(spec), state.active.duration(to: now) >= idle + LoadBook.interval,
            !loads.load(of: name, at: now).isActive, siblingsRest(of: name, at: now)
        {
            return await park(id)
        }
        defer {
            // What has come in meanwhile counts.
            state.active = max(state.active, scales[id]?.active ?? state.active)
            scales[id] = state
        }
        if state.active.duration(to: now) < Self.limitsWatched { await backend.watchLimits(of: id) }
        guard state.isWatched, spec.minimumInstances < spec.maximumInstances,
            let usage = await backend.usage(of: id)
        else { return }
        let load = loads.load(of: name, at: now)
        let desired = state.scaler.desired(
            current: usage.desired,
            Autoscaler.Sample(requests: load.inFlight + load.held, cpuMillicores: usage.cpuMillicores), at: now)
        // Nobody calls it, and it has the least number: nothing to look at until somebody does.
        state.isWatched = load.isActive || desired > spec.minimumInstances
        guard desired != usage.desired else { return }
        if state.asked != desired {
            logger.info(
                "scaling", metadata: ["revision": "\(name)", "from": "\(usage.desired)", "to": "\(desired)"])
        }
        state.asked = desired
        let deadline = max(timing.drain, .seconds(spec.timeoutSeconds))
        await backend.scale(id, to: desired) { [weak self] instances in
            await self?.waitUntilUnused(instances, of: id, at: .now.advanced(by: deadline))
        }
    }

    private func scaler(_ spec: FunctionSpec) -> Autoscaler {
        Autoscaler(
            policy: timing.scaling.policy,
            bounds: spec.minimumInstances...max(spec.minimumInstances, spec.maximumInstances),
            capacity: .init(requests: Double(spec.concurrency), cpuMillicores: Double(spec.cpuMillicores)))
    }

    /// Waits until no Router sends requests to `instances`, which leave the table, nor has any under way; at most until `deadline`.
    private func waitUntilUnused(_ instances: Set<String>, of id: WorkloadID, at deadline: ContinuousClock.Instant)
        async
    {
        while endpoints[id]?.contains(where: { instances.contains($0.id) }) == true, !Task.isCancelled,
            ContinuousClock.now < deadline
        {
            try? await Task.sleep(for: .milliseconds(10))
        }
        guard case .revision(let revision) = id else { return }
        await hub.settle(await publish(revision.function), without: instances, deadline: deadline)
    }

    /// The revision `id`, when it has a part in the traffic or is pinned.
    func servingRevision(_ id: RevisionID) -> Revision? {
        guard let record = serving[id.function] else { return nil }
        if let live = record.live, live.number == id.number { return live }
        return record.others.first { $0.number == id.number } ?? record.pinned.first { $0.number == id.number }
    }
}

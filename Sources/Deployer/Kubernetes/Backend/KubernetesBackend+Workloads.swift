import Contract
import Crypto
import Kubernetes
import Logging
import Service

extension KubernetesBackend {
    /// What was last applied, so that what has not changed costs no call.
    static let digestAnnotation = "kiln.dev/applied"
    package func adopt(_ desired: [Workload], parkable: Set<WorkloadID>) async throws -> Set<WorkloadID> {
        try await watch()
        let wanted = Set(desired.compactMap(\.revisionID))
        for stray in try await present().subtracting(wanted).subtracting(unfinished) {
            logger.notice("removing what no function needs", metadata: ["revision": "\(stray)"])
            // Its Pods may take their time to end.
            removals[stray] = Task { await self.remove(stray) }
        }
        var parked: Set<WorkloadID> = []
        var present: [Workload] = []
        for workload in desired {
            guard let id = workload.revisionID else { continue }
            if let deployment = known(id).deployment {
                let isAtRest = deployment.replicas == 0
                if isAtRest, parkable.contains(workload.id) { parked.insert(workload.id) }
                if isAtRest, !parkable.contains(workload.id) {
                    Task { await self.startLater(workload) }
                } else {
                    present.append(workload)
                }
            } else if parkable.contains(workload.id) {
                parked.insert(workload.id)
            } else {
                Task { await self.startLater(workload) }
            }
        }
        try bringInLine(present)
        return parked
    }

    package func rollOut(_ workload: Workload) async throws {
        // The checker of a cluster is a Deployment of the operator's.
        guard let id = workload.revisionID else { return }
        do {
            try await watch()
            let generation = try await apply(workload)
            if known(id).deployment?.replicas == 0 {
                try await api.scale(
                    RevisionObjects.name(id), in: settings.namespace, to: RevisionObjects.firstReplicas(workload.spec))
            }
            try await untilReady(id, generation)
        } catch {
            // Nobody has given the revision up: another Deployer goes on with it.
            if Task.isCancelled || (error as? APIError)?.code == .fenced { throw error }
            await remove(id)
            if let error = error as? APIError { throw RolloutFailure(.platform, error.message) }
            throw error
        }
    }

    package func retire(_ id: WorkloadID) async {
        guard case .revision(let revision) = id else { return }
        await remove(revision)
    }

    /// The Deployment is left with no Pods, which suspends its autoscaler, too: a start from there is one call.
    package func park(_ id: WorkloadID) async {
        guard case .revision(let revision) = id, known(revision).deployment != nil else { return }
        do {
            try await api.scale(RevisionObjects.name(revision), in: settings.namespace, to: 0)
            while !known(revision).endpoints.isEmpty { try await change() }
        } catch {
            logger.warning("cannot park", metadata: ["revision": "\(revision)", "error": "\(error)"])
        }
    }

    package func scale(
        _ id: WorkloadID, to count: Int, drained: @escaping @Sendable (Set<String>) async -> Void
    ) async {
        guard case .revision(let revision) = id, known(revision).deployment != nil else { return }
        do {
            try await api.scale(RevisionObjects.name(revision), in: settings.namespace, to: count)
        } catch {
            logger.warning("cannot scale", metadata: ["revision": "\(revision)", "error": "\(error)"])
        }
    }

    package func usage(of id: WorkloadID) async -> WorkloadUsage? { nil }

    package func status(of id: WorkloadID) async -> WorkloadStatus? {
        guard case .revision(let revision) = id else { return nil }
        let known = known(revision)
        guard let deployment = known.deployment else { return nil }
        return WorkloadStatus(
            ready: endpoints(of: revision).count, desired: deployment.replicas ?? 1, restarts: known.restarts,
            lastFailure: known.lastFailure)
    }

    /// Applies what has changed of a workload's objects; returns the Deployment's generation. The Deployment comes last: when it is
    /// there, all are.
    @discardableResult
    func apply(_ workload: Workload) async throws -> Int64 {
        guard let id = workload.revisionID else { return 0 }
        await removals.removeValue(forKey: id)?.value
        let revision = Self.revision(workload, id)
        let existing = known(id).deployment
        let digest = try Self.digest(revision, settings)
        if let existing, existing.applied == digest {
            return existing.generation
        }
        let record = try await api.get(
            FunctionRevisionObject.self, RevisionObjects.name(id), in: settings.namespace)
        let first = existing == nil ? RevisionObjects.firstReplicas(workload.spec) : nil
        let objects = RevisionObjects(revision, owner: record?.reference, replicas: first, settings: settings)
        _ = try await api.apply(objects.networkPolicy)
        _ = try await api.apply(objects.service)
        if workload.spec.minimumInstances < workload.spec.maximumInstances {
            _ = try await api.apply(objects.autoscaler)
        }
        var deployment = objects.deployment
        deployment.metadata.annotations = [Self.digestAnnotation: digest]
        // Whoever applies without the number lets go of it, and it falls back to 1: another name of Kiln's holds it from the start.
        if let existing {
            try await api.scale(RevisionObjects.name(id), in: settings.namespace, to: existing.replicas ?? 1)
        }
        let applied = try await api.apply(deployment)
        if let first { try await api.scale(RevisionObjects.name(id), in: settings.namespace, to: first) }
        return applied.object.metadata.generation ?? 0
    }

    /// Whether what runs is not what would be applied now.
    func isStale(_ workload: Workload) throws -> Bool {
        guard let id = workload.revisionID else { return false }
        return try known(id).deployment?.applied
            != Self.digest(Self.revision(workload, id), settings)
    }

    private static func revision(_ workload: Workload, _ id: RevisionID) -> Revision {
        Revision(
            function: id.function, number: id.number, image: workload.image, spec: workload.spec, created: .now())
    }

    /// Without the owner, which never changes: only what is applied is worth a call for it.
    private static func digest(_ revision: Revision, _ settings: WorkloadSettings) throws -> String {
        let objects = RevisionObjects(revision, owner: nil, replicas: nil, settings: settings)
        var bytes = try JSON.encode(objects.deployment) + JSON.encode(objects.service)
        bytes += try JSON.encode(objects.autoscaler) + JSON.encode(objects.networkPolicy)
        return Digest(bytes: SHA256.hash(data: bytes)).hex
    }

    /// All revisions of which the cluster has anything, by as many calls as there are kinds.
    private func present() async throws -> Set<RevisionID> {
        let selection = Selection(namespace: settings.namespace, labels: Self.labels)
        var found = try await revisions(KubernetesService.self, selection)
        found += try await revisions(HorizontalPodAutoscaler.self, selection)
        found += try await revisions(NetworkPolicyObject.self, selection)
        return Set(found.compactMap(\.self)).union(view.revisions.keys)
    }

    private func revisions<Object: KubernetesObject>(_ type: Object.Type, _ selection: Selection) async throws
        -> [RevisionID?]
    {
        try await api.list(type, selection) { RevisionID(labels: $0.metadata.labels) }.items
    }

    private func startLater(_ workload: Workload) async {
        do {
            try await rollOut(workload)
        } catch {
            logger.warning("cannot start", metadata: ["workload": "\(workload.id.text)", "error": "\(error)"])
        }
    }

    /// Removes all objects of a revision. Its NetworkPolicy goes last: Pods that end are bound by it, too.
    private func remove(_ id: RevisionID) async {
        let (name, namespace) = (RevisionObjects.name(id), settings.namespace)
        await leaveAsItIs(id)
        do {
            _ = try await api.delete(HorizontalPodAutoscaler.self, name, in: namespace)
            _ = try await api.delete(Deployment.self, name, in: namespace)
            _ = try await api.delete(KubernetesService.self, name, in: namespace)
            let deadline = ContinuousClock.now + .seconds(settings.graceSeconds) + timing.removal
            while !known(id).isEmpty, .now < deadline { try await change() }
            _ = try await api.delete(NetworkPolicyObject.self, name, in: namespace)
        } catch is CancellationError {
            // The next start finds what is left.
        } catch {
            logger.warning("cannot remove all of it", metadata: ["revision": "\(id)", "error": "\(error)"])
        }
    }
}

extension Workload {
    /// The revision that it is of; `nil` for Kiln's own.
    var revisionID: RevisionID? {
        if case .revision(let id) = id { id } else { nil }
    }
}

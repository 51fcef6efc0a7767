import Contract
import Kubernetes
import Logging

extension KubernetesBackend {
    /// How many of the last lines of a failed Pod are shown.
    private static let shownLines = 20
    /// How long a Router tries to reach Pods before these are looked at again.
    private static let reach = Duration.milliseconds(250)

    /// Returns when all Pods of the Deployment at `generation`, or a later one, of which there is one at least, are ready and have
    /// addresses; throws ``RolloutFailure`` with the reason when they will not be.
    func untilReady(_ id: RevisionID, _ generation: Int64) async throws {
        let deadline = ContinuousClock.now + .seconds(settings.progressSeconds) + timing.patience
        var stuckSince: ContinuousClock.Instant?
        var wasSeen = false
        while true {
            var wasAsked = false
            let known = known(id)
            if let deployment = known.deployment, deployment.generation >= generation {
                wasSeen = true
                switch RolloutVerdict(deployment, pods: known.pods.all) {
                case .ready where deployment.replicas == 0:
                    // It has not been heard of yet that it is to have Pods again.
                    stuckSince = nil
                case .ready:
                    if known.endpoints.count >= deployment.replicas ?? 1 { return }
                    stuckSince = nil
                case .waiting:
                    stuckSince = nil
                    let accepts = await accepts(id, deployment)
                    if accepts == true { return }
                    wasAsked = accepts != nil
                case .stuck(let failure):
                    let since = stuckSince ?? .now
                    stuckSince = since
                    if .now - since >= timing.patience { throw failure }
                case .failed(var failure, let pod, let run):
                    if let pod, let run { failure.logs = await lastLines(of: pod, run) }
                    throw failure
                }
            } else if wasSeen, known.deployment == nil {
                throw RolloutFailure(.retired, "The function's Deployment was deleted while it started.")
            }
            guard .now < deadline else {
                throw RolloutFailure(.timedOut, "The function did not become ready in time.")
            }
            if wasAsked { try Task.checkCancellation() } else { try await change() }
        }
    }

    /// Whether all Pods of a Deployment accept connections though their probes, which come once a second, have not seen it yet; `nil` when
    /// nobody can be asked, or there is no use in it.
    private func accepts(_ id: RevisionID, _ deployment: ObservedDeployment) async -> Bool? {
        let known = known(id)
        let wanted = deployment.replicas ?? 1
        let starting = RoutedSlice.starting(of: known.slices.all)
        guard let routers, let status = deployment.status, status.observedGeneration ?? 0 >= deployment.generation,
            wanted > 0, status.replicas == wanted, status.updatedReplicas == wanted, !starting.isEmpty,
            known.endpoints.count + starting.count >= wanted
        else { return nil }
        let answer = await routers.reach(starting.map(\.address), within: Self.reach)
        if answer == true { accept(id, starting) }
        return answer
    }

    /// The last lines of a run that has ended. The node may have begun the next one by now, or not: then it is the present one's log.
    private func lastLines(of pod: String, _ run: Pod.ContainerState.Terminated) async -> [String] {
        do {
            for previous in [true, false] {
                var query = PodLogQuery(tail: Self.shownLines)
                query.previous = previous
                let lines = try await api.log(of: pod, in: settings.namespace, query).filter { run.spans($0.time) }
                if !lines.isEmpty { return lines.map(\.text) }
            }
        } catch {
            logger.debug("cannot read a Pod's log", metadata: ["pod": "\(pod)", "error": "\(error)"])
        }
        return []
    }
}

import Kubernetes

/// What a Deployment and its Pods say about how a roll-out fares.
///
/// A Pod's failure is never on its Deployment, and shows long before the Deployment's own deadline, so both are read.
package enum RolloutVerdict: Hashable, Sendable {
    /// It goes on.
    case waiting
    /// As many Pods as there are to be are available.
    case ready
    /// It cannot go on unless somebody makes room or allows it; that may be soon.
    case stuck(RolloutFailure)
    /// It has failed; where a container's end shows why, the Pod and that run, whose log may tell more.
    case failed(RolloutFailure, pod: String? = nil, run: Pod.ContainerState.Terminated? = nil)

    /// The verdict on `deployment`, all of whose Pods are `pods`.
    package init(_ deployment: ObservedDeployment, pods: [Pod]) {
        let status = deployment.status
        let wanted = deployment.replicas ?? 1
        let isObserved = (status?.observedGeneration ?? 0) >= deployment.generation
        if isObserved, wanted == status?.replicas ?? 0, wanted == status?.updatedReplicas ?? 0,
            wanted == status?.availableReplicas ?? 0
        {
            self = .ready
            return
        }
        var verdicts = pods.filter { $0.metadata.deletionTimestamp == nil }.sorted { $0.key < $1.key }
            .map(Self.verdict)
        if isObserved { verdicts.append(Self.verdict(status?.conditions ?? [])) }
        let failed = verdicts.first { if case .failed = $0 { true } else { false } }
        let stuck = verdicts.first { if case .stuck = $0 { true } else { false } }
        self = failed ?? stuck ?? .waiting
    }

    /// Whether a Deployment's condition may say anything here.
    static func counts(_ condition: Condition) -> Bool { verdict([condition]) != .waiting }

    /// Of the Deployment's own conditions; under an old generation they are those of the last roll-out.
    private static func verdict(_ conditions: [Condition]) -> Self {
        for condition in conditions {
            switch (condition.type, condition.status, condition.reason) {
            case ("Progressing", "False", "ProgressDeadlineExceeded"):
                let failure = RolloutFailure(.timedOut, "The function did not become ready in time.")
                return .failed(failure)
            case ("ReplicaFailure", "True", _):
                return .stuck(
                    RolloutFailure(
                        .platform, "The cluster does not take the function's Pods: \(said(condition.message)).")
                )
            default: continue
            }
        }
        return .waiting
    }

    private static func verdict(_ pod: Pod) -> Self {
        let scheduled = pod.status?.conditions?.first { $0.type == "PodScheduled" }
        if scheduled?.status == "False", scheduled?.reason == "Unschedulable" {
            return .stuck(
                RolloutFailure(.noRoom, "No node of the cluster takes the function: \(said(scheduled?.message))."))
        }
        if pod.status?.phase == "Failed", let reason = pod.status?.reason {
            let failure = RolloutFailure(
                .platform, "The node gave the function up (\(reason)): \(said(pod.status?.message)).")
            return .failed(failure)
        }
        let container = pod.status?.containerStatuses?.first { $0.name == RevisionObjects.container }
        if let waiting = container?.state?.waiting, let code = code(waiting) {
            let failure = RolloutFailure(code, "\(sentence(code)) (\(waiting.reason ?? "")): \(said(waiting.message)).")
            return .failed(failure)
        }
        if let ended = container?.state?.terminated ?? container?.lastState?.terminated {
            return .failed(failure(ended), pod: pod.metadata.name, run: ended)
        }
        return .waiting
    }

    /// What a container waits for that will not come. `ErrImagePull` is tried again at once, then it is `ImagePullBackOff`.
    private static func code(_ waiting: Pod.ContainerState.Waiting) -> RolloutFailure.Code? {
        switch waiting.reason {
        case "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError": .image
        // Of what Kiln has a container configured with, only Secrets may be missing; but a node refuses other things by this name, too.
        case "CreateContainerConfigError": waiting.message?.contains("ecret") == true ? .secretMissing : .platform
        case "CreateContainerError", "RunContainerError": .platform
        default: nil
        }
    }

    private static func sentence(_ code: RolloutFailure.Code) -> String {
        switch code {
        case .image: "The node cannot pull the function's image"
        case .secretMissing: "A secret that the function needs is missing"
        default: "The node cannot start the function"
        }
    }

    private static func failure(_ ended: Pod.ContainerState.Terminated) -> RolloutFailure {
        let failure = end(ended)
        return RolloutFailure(failure.code, "The function ended: \(failure.text).")
    }

    /// How a container ended, in words.
    package static func end(_ ended: Pod.ContainerState.Terminated) -> (code: RolloutFailure.Code, text: String) {
        switch ended.reason {
        case "OOMKilled": (.outOfMemory, "out of memory")
        case "StartError", "ContainerCannotRun": (.platform, "it could not be started: \(said(ended.message))")
        default: (.crashed, "exit code \(ended.exitCode ?? 0)")
        }
    }

    private static func said(_ message: String?) -> String {
        let text = message ?? "it does not say why"
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }
}

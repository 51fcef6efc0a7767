import Contract
import Synchronization

@testable import Deployer

/// What the controllers and nodes of a cluster do for Deployments, done through the API: Pods and EndpointSlices come and go, and statuses
/// tell of it, in the forms that the recordings show.
final class SimulatedNodes: Sendable {
    /// How the Pods of a Deployment fare.
    enum Fate: Sendable, Hashable {
        case healthy
        case crashes(code: Int, reason: String, log: String)
        case waits(reason: String, message: String)
        case unschedulable(String)
        case refused(String)
        case silent
    }

    private struct State {
        var fates: [String: Fate] = [:]
        var next = 1
    }

    private let api: APIClient
    private let state = Mutex(State())

    init(_ api: APIClient) { self.api = api }

    /// From now on the Pods of the Deployment `name` fare so.
    func set(_ name: String, _ fate: Fate) { state.withLock { $0.fates[name] = fate } }

    /// Works until the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            let reflector = Reflector<Deployment>(api, Selection(namespace: "functions"))
            for await change in reflector.changes() {
                switch change {
                case .added(let deployment), .changed(_, let deployment):
                    group.addTask { try? await self.bring(deployment) }
                case .removed(let deployment): group.addTask { try? await self.end(deployment) }
                case .synced: continue
                }
            }
            group.cancelAll()
        }
    }

    private func bring(_ deployment: Deployment) async throws {
        let fate = state.withLock { $0.fates[deployment.key.name] } ?? .healthy
        let wanted = deployment.spec?.replicas ?? 1
        var status = Deployment.Status(observedGeneration: deployment.metadata.generation)
        if case .refused(let message) = fate {
            status.conditions = [
                Condition(type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: message)
            ]
            return try await report(deployment, status)
        }
        let pods = try await pods(of: deployment)
        for pod in pods.dropFirst(wanted) { try await remove(pod) }
        for _ in pods.count..<max(wanted, pods.count) { try await make(deployment, fate) }
        let made = try await self.pods(of: deployment)
        let isWell = fate == .healthy
        try await list(made, of: deployment, ready: isWell)
        if wanted > 0 {
            status.replicas = made.count
            status.updatedReplicas = made.count
            if isWell { (status.readyReplicas, status.availableReplicas) = (made.count, made.count) }
        }
        try await report(deployment, status)
    }

    private func end(_ deployment: Deployment) async throws {
        for pod in try await pods(of: deployment) { try await remove(pod) }
        _ = try await api.delete(EndpointSlice.self, "\(deployment.key.name)-x", in: "functions")
    }

    private func pods(of deployment: Deployment) async throws -> [Pod] {
        let labels = "app.kubernetes.io/instance=\(deployment.key.name)"
        return try await api.list(Pod.self, Selection(namespace: "functions", labels: labels)).items
            .sorted { $0.key < $1.key }
    }

    private func make(_ deployment: Deployment, _ fate: Fate) async throws {
        let number = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        var annotations = ["test/log": "2026-11-22T10:00:0\(number % 10).000000001Z listening"]
        var container = Pod.ContainerStatus(name: "function", ready: fate == .healthy, restartCount: 0)
        var conditions = [Condition(type: "PodScheduled", status: "True")]
        switch fate {
        case .healthy: container.state = .init(running: .init(startedAt: .now()))
        case .crashes(let code, let reason, let log):
            annotations["test/previous-log"] = log
            container.restartCount = 1
            container.state = .init(waiting: .init(reason: "CrashLoopBackOff", message: "back-off 10s"))
            container.lastState = .init(terminated: .init(exitCode: code, reason: reason, finishedAt: .now()))
        case .waits(let reason, let message):
            container.state = .init(waiting: .init(reason: reason, message: message))
        case .unschedulable(let message):
            conditions = [
                Condition(type: "PodScheduled", status: "False", reason: "Unschedulable", message: message)
            ]
        case .silent, .refused: container.state = .init(running: .init(startedAt: .now()))
        }
        let pod = SimulatedPod(
            metadata: ObjectMeta(
                name: "\(deployment.key.name)-\(number)", namespace: "functions",
                labels: deployment.metadata.labels, annotations: annotations),
            spec: .init(containers: [.init(name: "function", image: "x")]),
            status: Pod.Status(phase: "Running", conditions: conditions, containerStatuses: [container]))
        _ = try await api.apply(pod, manager: "nodes")
        _ = try await api.apply(pod, subresource: "status", manager: "nodes")
    }

    private func remove(_ pod: Pod) async throws { _ = try await api.delete(Pod.self, pod.key.name, in: "functions") }

    private func list(_ pods: [Pod], of deployment: Deployment, ready: Bool) async throws {
        var slice = SimulatedSlice(
            metadata: ObjectMeta(
                name: "\(deployment.key.name)-x", namespace: "functions", labels: deployment.metadata.labels))
        slice.endpoints = pods.map { pod in
            let number = pod.key.name.split(separator: "-").last.flatMap { Int($0) } ?? 0
            return .init(
                addresses: ["10.0.0.\(number)"], conditions: .init(ready: ready, serving: ready, terminating: false),
                targetRef: .init(kind: "Pod", name: pod.key.name, uid: pod.metadata.uid))
        }
        _ = try await api.apply(slice, manager: "nodes")
    }

    private func report(_ deployment: Deployment, _ status: Deployment.Status) async throws {
        var told = Deployment(
            metadata: ObjectMeta(name: deployment.key.name, namespace: "functions"), spec: nil, status: status)
        told.metadata.labels = nil
        _ = try await api.apply(told, subresource: "status", manager: "nodes")
    }
}

/// A Pod as it is written.
private struct SimulatedPod: KubernetesObject {
    static let resource = Pod.resource
    struct Spec: Codable, Sendable {
        var containers: [Container]
    }
    var metadata: ObjectMeta
    var spec: Spec
    var status: Pod.Status?
}

/// An EndpointSlice as it is written.
private struct SimulatedSlice: KubernetesObject {
    static let resource = EndpointSlice.resource
    var metadata: ObjectMeta
    var addressType = "IPv4"
    var endpoints: [EndpointSlice.Address] = []
    var ports = [EndpointSlice.Port(name: "http", port: 8000)]
}

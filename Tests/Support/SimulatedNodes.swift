package import Kubernetes
import Synchronization

/// What the controllers and nodes of a cluster do for Deployments, done through the API: Pods and EndpointSlices come and go, and statuses
/// tell of it, in the forms that the recordings show.
package final class SimulatedNodes: Sendable {
    /// How the Pods of a Deployment fare.
    package enum Fate: Sendable, Hashable {
        /// They run.
        case healthy
        /// They end with this code and reason, and what the node says of it, having printed this log.
        case crashes(code: Int, reason: String, log: String, message: String? = nil)
        /// The same, and the node has begun the next run without having said so yet.
        case crashesUntold(code: Int, log: String)
        /// Their container does not start.
        case waits(reason: String, message: String)
        /// No node takes them.
        case unschedulable(String)
        /// The API server does not let them in.
        case refused(String)
        /// They run and never become ready.
        case silent
        /// The same, until the Deployment's deadline is over.
        case late
        /// They take requests, and their probes do not see it.
        case unseen
    }

    /// What Pods are.
    package enum Containers: Sendable, Hashable {
        /// Objects only, with addresses at which nobody answers.
        case none
        /// A process each that answers HTTP with its Deployment's name, the Pod's and the image.
        case processes
    }

    private struct State {
        var fates: [String: Fate] = [:]
        var next = 1
        var addresses: [String: String] = [:]
        var processes: [String: SimulatedProcess] = [:]
    }

    private let api: APIClient
    private let namespace: String
    private let containers: Containers
    /// Which of the loopback network's /24 these nodes have: tests that run beside each other do not meet.
    private let network = "127.\(Int.random(in: 64...250)).\(Int.random(in: 1...250))"
    private let state = Mutex(State())

    /// Nodes for the Deployments in `namespace`.
    package init(_ api: APIClient, namespace: String = "functions", containers: Containers = .none) {
        self.api = api
        self.namespace = namespace
        self.containers = containers
    }

    /// From now on the Pods of the Deployment `name` fare so.
    package func set(_ name: String, _ fate: Fate) { state.withLock { $0.fates[name] = fate } }

    /// Works until the task is cancelled; then all processes of Pods are ended.
    package func run() async {
        await withTaskGroup(of: Void.self) { group in
            var last: [ObjectKey: Task<Void, Never>] = [:]
            for await change in Reflector<SimulatedDeployment>(api, Selection(namespace: namespace)).changes() {
                let deployment: SimulatedDeployment
                let isGone: Bool
                switch change {
                case .added(let object), .changed(_, let object): (deployment, isGone) = (object, false)
                case .removed(let object): (deployment, isGone) = (object, true)
                case .synced: continue
                }
                // One after the other for each Deployment, as its controller does.
                let earlier = last[deployment.key]
                last[deployment.key] = Task {
                    await earlier?.value
                    if isGone { try? await end(deployment) } else { try? await bring(deployment) }
                }
            }
            for task in last.values { await task.value }
            group.cancelAll()
        }
        for process in state.withLock({ Array($0.processes.values) }) { process.kill() }
    }

    /// Kills the process of one of the Pods of the Deployment `name`, as if it had crashed; it is started again after `pause`. Meanwhile, and
    /// some time later than it happened, the Pod is listed as not ready.
    package func crash(_ name: String, pause: Duration = .milliseconds(500)) async throws {
        guard let deployment = try await api.get(SimulatedDeployment.self, name, in: namespace),
            let pod = try await pods(of: deployment).first,
            let process = state.withLock({ $0.processes.removeValue(forKey: pod.key.name) })
        else { return }
        process.kill()
        try await Task.sleep(for: .milliseconds(300))
        let others = try await pods(of: deployment).filter { $0.key != pod.key }
        try await list(others, of: deployment, ready: true, starting: [pod])
        try await Task.sleep(for: pause)
        try await runContainer(of: pod.key.name, deployment)
        try await list(try await pods(of: deployment), of: deployment, ready: true)
    }

    private func bring(_ deployment: SimulatedDeployment) async throws {
        let fate = state.withLock { $0.fates[deployment.key.name] } ?? .healthy
        let wanted = deployment.spec?.replicas ?? 1
        var status = SimulatedDeployment.Status(observedGeneration: deployment.metadata.generation)
        if case .refused(let message) = fate {
            status.conditions = [
                .init(type: "ReplicaFailure", status: "True", reason: "FailedCreate", message: message)
            ]
            return try await report(deployment, status)
        }
        let pods = try await pods(of: deployment)
        try await remove(Array(pods.dropFirst(wanted)), of: deployment)
        for _ in pods.count..<max(wanted, pods.count) { try await make(deployment, fate) }
        let made = try await self.pods(of: deployment)
        let isWell = fate == .healthy
        if isWell || fate == .unseen { for pod in made { try await runContainer(of: pod.key.name, deployment) } }
        try await list(made, of: deployment, ready: isWell)
        if wanted > 0 {
            status.replicas = made.count
            status.updatedReplicas = made.count
            if isWell { (status.readyReplicas, status.availableReplicas) = (made.count, made.count) }
        }
        if fate == .late {
            let set = "ReplicaSet \"\(deployment.key.name)\" has timed out progressing."
            status.conditions = [
                .init(type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: set)
            ]
        }
        try await report(deployment, status)
    }

    private func end(_ deployment: SimulatedDeployment) async throws {
        try await remove(try await pods(of: deployment), of: deployment)
        _ = try await api.delete(SimulatedSlice.self, "\(deployment.key.name)-x", in: namespace)
    }

    private func pods(of deployment: SimulatedDeployment) async throws -> [SimulatedPod] {
        let labels = "app.kubernetes.io/instance=\(deployment.key.name)"
        return try await api.list(SimulatedPod.self, Selection(namespace: namespace, labels: labels)).items
            .sorted { $0.key < $1.key }
    }

    private func make(_ deployment: SimulatedDeployment, _ fate: Fate) async throws {
        let number = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        let name = "\(deployment.key.name)-\(number)"
        let address = containers == .processes ? "\(network).\(number)" : "10.0.0.\(number)"
        state.withLock { $0.addresses[name] = address }
        let pod = SimulatedPod(deployment, name: name, number: number, fate)
        _ = try await api.apply(pod, manager: "nodes")
        _ = try await api.apply(pod, subresource: "status", manager: "nodes")
    }

    /// Starts what a Pod runs, once.
    private func runContainer(of pod: String, _ deployment: SimulatedDeployment) async throws {
        guard containers == .processes,
            let address = state.withLock({ $0.processes[pod] == nil ? $0.addresses[pod] : nil })
        else { return }
        let image = deployment.spec?.template?.spec?.containers.first?.image ?? ""
        let process = try await SimulatedProcess.start(
            address: address, text: "\(deployment.key.name) \(pod) \(image)")
        state.withLock { $0.processes[pod] = process }
    }

    /// As the kubelet does: they are listed as ending, get SIGTERM, and are gone when their process is.
    private func remove(_ pods: [SimulatedPod], of deployment: SimulatedDeployment) async throws {
        guard !pods.isEmpty else { return }
        let all = try await self.pods(of: deployment)
        let ending = Set(pods.map(\.key))
        try await list(all.filter { !ending.contains($0.key) }, of: deployment, ready: true, ending: pods)
        for pod in pods {
            if let process = state.withLock({ $0.processes.removeValue(forKey: pod.key.name) }) { await process.end() }
            _ = try await api.delete(SimulatedPod.self, pod.key.name, in: namespace)
        }
    }

    private func list(
        _ pods: [SimulatedPod], of deployment: SimulatedDeployment, ready: Bool, ending: [SimulatedPod] = [],
        starting: [SimulatedPod] = []
    ) async throws {
        var slice = SimulatedSlice(
            metadata: ObjectMeta(
                name: "\(deployment.key.name)-x", namespace: namespace, labels: deployment.metadata.labels))
        let addresses = state.withLock { $0.addresses }
        func endpoint(_ pod: SimulatedPod, _ conditions: SimulatedSlice.Conditions) -> SimulatedSlice.Address {
            .init(
                addresses: [addresses[pod.key.name] ?? "10.0.0.1"], conditions: conditions,
                targetRef: .init(kind: "Pod", name: pod.key.name, uid: pod.metadata.uid))
        }
        slice.endpoints =
            pods.map { endpoint($0, .init(ready: ready, serving: ready, terminating: false)) }
            + starting.map { endpoint($0, .init(ready: false, serving: false, terminating: false)) }
            + ending.map { endpoint($0, .init(ready: false, serving: true, terminating: true)) }
        _ = try await api.apply(slice, manager: "nodes")
    }

    private func report(_ deployment: SimulatedDeployment, _ status: SimulatedDeployment.Status) async throws {
        let told = SimulatedDeployment(
            metadata: ObjectMeta(name: deployment.key.name, namespace: namespace), spec: nil, status: status)
        _ = try await api.apply(told, subresource: "status", manager: "nodes")
    }
}

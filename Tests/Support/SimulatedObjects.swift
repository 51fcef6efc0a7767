import Contract
import Foundation
internal import Kubernetes

/// A Deployment as far as nodes and controllers look at it.
struct SimulatedDeployment: KubernetesObject {
    static let resource = APIResource(group: "apps", version: "v1", plural: "deployments", kind: "Deployment")
    struct Spec: Codable, Sendable {
        struct Template: Codable, Sendable {
            struct Pod: Codable, Sendable {
                struct Container: Codable, Sendable {
                    var image: String
                }
                var containers: [Container]
            }
            var spec: Pod?
        }
        var replicas: Int?
        var template: Template?
    }
    struct Status: Codable, Sendable {
        var observedGeneration: Int64?
        var replicas: Int?
        var updatedReplicas: Int?
        var readyReplicas: Int?
        var availableReplicas: Int?
        var conditions: [SimulatedCondition]?
    }
    var metadata: ObjectMeta
    var spec: Spec?
    var status: Status?
}

/// A condition.
struct SimulatedCondition: Codable, Sendable {
    var type: String
    var status: String
    var reason: String?
    var message: String?
}

/// A Pod.
struct SimulatedPod: KubernetesObject {
    static let resource = APIResource(group: "", version: "v1", plural: "pods", kind: "Pod")
    struct Container: Codable, Sendable {
        var name: String
        var image: String
    }
    struct Spec: Codable, Sendable {
        var containers: [Container]
    }
    struct Waiting: Codable, Sendable {
        var reason: String
        var message: String
    }
    struct Running: Codable, Sendable {
        var startedAt: Timestamp
    }
    struct Terminated: Codable, Sendable {
        var exitCode: Int
        var reason: String
        var message: String?
        var finishedAt: Timestamp
    }
    struct ContainerState: Codable, Sendable {
        var waiting: Waiting?
        var running: Running?
        var terminated: Terminated?
    }
    struct ContainerStatus: Codable, Sendable {
        var name = "function"
        var ready: Bool
        var restartCount = 0
        var state: ContainerState?
        var lastState: ContainerState?
    }
    struct Status: Codable, Sendable {
        var phase: String?
        var conditions: [SimulatedCondition]?
        var containerStatuses: [ContainerStatus]?
    }
    var metadata: ObjectMeta
    var spec: Spec
    var status: Status?

    /// When containers ended that crash: 10:00:00, before the next run prints.
    private static let crashed = Timestamp(milliseconds: 1_795_341_600_000)

    init(_ deployment: SimulatedDeployment, name: String, number: Int, _ fate: SimulatedNodes.Fate) {
        var annotations = ["test/log": "2026-11-22T10:00:0\(number % 10).000000001Z listening"]
        var container = ContainerStatus(ready: fate == .healthy)
        var conditions = [SimulatedCondition(type: "PodScheduled", status: "True")]
        let running = ContainerState(running: .init(startedAt: .now()))
        switch fate {
        case .crashes(let code, let reason, let log, let message):
            annotations["test/previous-log"] = log
            container.restartCount = 1
            container.state = .init(waiting: .init(reason: "CrashLoopBackOff", message: "back-off 10s"))
            container.lastState = .init(
                terminated: .init(exitCode: code, reason: reason, message: message, finishedAt: Self.crashed))
        case .crashesUntold(let code, let log):
            annotations["test/previous-log"] = log
            container.state = .init(
                terminated: .init(
                    exitCode: code, reason: "Error", finishedAt: Self.crashed))
        case .waits(let reason, let message):
            container.state = .init(waiting: .init(reason: reason, message: message))
        case .unschedulable(let message):
            conditions = [.init(type: "PodScheduled", status: "False", reason: "Unschedulable", message: message)]
        case .healthy, .silent, .late, .refused, .unseen: container.state = running
        }
        metadata = ObjectMeta(
            name: name, namespace: deployment.metadata.namespace, labels: deployment.metadata.labels,
            annotations: annotations)
        spec = Spec(containers: [.init(name: "function", image: "x")])
        status = Status(phase: "Running", conditions: conditions, containerStatuses: [container])
    }
}

/// An EndpointSlice as it is written.
struct SimulatedSlice: KubernetesObject {
    static let resource = EndpointSlice.resource
    struct Conditions: Codable, Sendable {
        var ready: Bool
        var serving: Bool
        var terminating: Bool
    }
    struct Target: Codable, Sendable {
        var kind: String
        var name: String
        var uid: String?
    }
    struct Address: Codable, Sendable {
        var addresses: [String]
        var conditions: Conditions
        var targetRef: Target
    }
    struct Port: Codable, Sendable {
        var name: String
        var port: Int
        var `protocol` = "TCP"
    }
    var metadata: ObjectMeta
    var addressType = "IPv4"
    var endpoints: [Address] = []
    var ports = [Port(name: "http", port: 8000)]
}

/// The process of a simulated Pod.
final class SimulatedProcess: Sendable {
    private let process: Process

    private init(_ process: Process) { self.process = process }

    /// Starts a process that answers at `address`, port 8000, with `text`; returns when it does.
    static func start(address: String, text: String) async throws -> SimulatedProcess {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        let script = URL(filePath: #filePath).deletingLastPathComponent().path + "/simulated_pod.py"
        process.arguments = ["-B", script, address, "8000", text]
        let output = Pipe()
        process.standardOutput = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let first = await Task.detached { output.fileHandleForReading.availableData }.value
        guard !first.isEmpty else { throw FixtureFailure("A Pod does not answer at \(address):8000.") }
        return SimulatedProcess(process)
    }

    /// Ends it as a kubelet does, and returns when it has ended.
    func end() async {
        process.terminate()
        let deadline = ContinuousClock.now + .seconds(10)
        while process.isRunning, .now < deadline { try? await Task.sleep(for: .milliseconds(10)) }
        kill()
    }

    /// Ends it at once.
    func kill() {
        if process.isRunning { Foundation.kill(process.processIdentifier, SIGKILL) }
    }
}

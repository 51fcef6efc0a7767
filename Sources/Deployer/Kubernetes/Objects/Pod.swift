import Contract
import Kubernetes

/// A Pod (`v1`), as far as Kiln reads it.
package struct Pod: KubernetesObject, Hashable {
    package static let resource = APIResource(group: "", version: "v1", plural: "pods", kind: "Pod")

    /// How it does.
    package struct Status: Codable, Sendable, Hashable {
        /// `Pending`, `Running`, `Succeeded`, `Failed`; `Running` also between crashes.
        package var phase: String?
        /// One word on why the whole Pod failed, e.g. `Evicted`.
        package var reason: String?
        /// A sentence on it.
        package var message: String?
        /// What the scheduler and the node note.
        package var conditions: [Condition]?
        /// How its containers do.
        package var containerStatuses: [ContainerStatus]?
    }

    /// How a container does.
    package struct ContainerStatus: Codable, Sendable, Hashable {
        /// The container's name.
        package var name: String
        /// Whether it is sent requests.
        package var ready: Bool?
        /// How often it has been started again.
        package var restartCount: Int?
        /// What it does now.
        package var state: ContainerState?
        /// What it did before it was started again.
        package var lastState: ContainerState?
    }

    /// One of its three states.
    package struct ContainerState: Codable, Sendable, Hashable {
        /// It does not run yet, or not again.
        package struct Waiting: Codable, Sendable, Hashable {
            /// One word, e.g. `ImagePullBackOff`.
            package var reason: String?
            /// A sentence.
            package var message: String?
        }
        /// It runs.
        package struct Running: Codable, Sendable, Hashable {
            /// Since when.
            package var startedAt: Timestamp?
        }
        /// It has ended.
        package struct Terminated: Codable, Sendable, Hashable {
            /// With which code.
            package var exitCode: Int?
            /// `Error`, `OOMKilled`, `StartError`, `Completed`.
            package var reason: String?
            /// A sentence, for example why it could not be started.
            package var message: String?
            /// When it began; whole seconds.
            package var startedAt: Timestamp?
            /// When it ended; whole seconds.
            package var finishedAt: Timestamp?

            /// Whether what was printed at `time` is of this run.
            package func spans(_ time: Timestamp) -> Bool {
                let end = finishedAt.map { Timestamp(milliseconds: $0.milliseconds + 1000) }
                return startedAt.map { $0 <= time } ?? true && end.map { time < $0 } ?? true
            }
        }
        /// It waits.
        package var waiting: Waiting?
        /// It runs.
        package var running: Running?
        /// It has ended.
        package var terminated: Terminated?
    }

    package var metadata: ObjectMeta
    /// How it does.
    package var status: Status?

}

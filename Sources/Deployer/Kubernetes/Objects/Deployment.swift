import Contract
import Kubernetes

/// A Deployment (`apps/v1`), as far as Kiln sets and reads it.
package struct Deployment: KubernetesObject, Hashable {
    package static let resource = APIResource(group: "apps", version: "v1", plural: "deployments", kind: "Deployment")

    /// What is wanted.
    package struct Spec: Codable, Sendable, Hashable {
        /// How many Pods; left out where another manager has taken it over.
        package var replicas: Int?
        /// Which Pods are its own; immutable.
        package var selector: LabelSelector
        /// What its Pods are.
        package var template: PodTemplate
        /// How Pods are replaced.
        package var strategy: Strategy?
        /// How long a Pod must be ready to count as available, in seconds.
        package var minReadySeconds: Int?
        /// How long a roll-out may make no progress before it counts as failed, in seconds.
        package var progressDeadlineSeconds: Int?
        /// How many old ReplicaSets are kept.
        package var revisionHistoryLimit: Int?
    }

    /// How Pods are replaced.
    package struct Strategy: Codable, Sendable, Hashable {
        /// The limits of a replacement step by step.
        package struct RollingUpdate: Codable, Sendable, Hashable {
            /// How many Pods may be missing meanwhile.
            package var maxUnavailable: Int
            /// How many there may be above the wanted number.
            package var maxSurge: Int
        }
        /// `RollingUpdate` or `Recreate`.
        package var type: String
        /// The limits.
        package var rollingUpdate: RollingUpdate?
    }

    /// How it does. Zeros are absent.
    package struct Status: Codable, Sendable, Hashable {
        /// The generation that this status is about.
        package var observedGeneration: Int64?
        /// How many Pods there are.
        package var replicas: Int?
        /// How many of them are of the present template.
        package var updatedReplicas: Int?
        /// How many are ready.
        package var readyReplicas: Int?
        /// How many have been ready for long enough.
        package var availableReplicas: Int?
        /// What the controller notes.
        package var conditions: [Condition]?
    }

    package var metadata: ObjectMeta
    /// What is wanted.
    package var spec: Spec?
    /// How it does.
    package var status: Status?
}

/// A condition of an object.
package struct Condition: Codable, Sendable, Hashable {
    /// What it is about, e.g. `Available`.
    package var type: String
    /// `True`, `False` or `Unknown`.
    package var status: String
    /// One word for programs.
    package var reason: String?
    /// A sentence for people.
    package var message: String?
    /// When `status` last changed.
    package var lastTransitionTime: Timestamp?
    /// The generation that it is about.
    package var observedGeneration: Int64?
}

/// Which objects are meant, by their labels.
package struct LabelSelector: Codable, Sendable, Hashable {
    /// Labels and the values they must have.
    package var matchLabels: [String: String]?
}

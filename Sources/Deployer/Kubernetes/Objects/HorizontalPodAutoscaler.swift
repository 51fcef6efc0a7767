import Kubernetes

/// A HorizontalPodAutoscaler (`autoscaling/v2`), as far as Kiln sets it.
package struct HorizontalPodAutoscaler: KubernetesObject, Hashable {
    package static let resource = APIResource(
        group: "autoscaling", version: "v2", plural: "horizontalpodautoscalers", kind: "HorizontalPodAutoscaler")

    /// What is wanted.
    package struct Spec: Codable, Sendable, Hashable {
        /// What it scales.
        package var scaleTargetRef: Target
        /// The fewest Pods.
        package var minReplicas: Int
        /// The most Pods.
        package var maxReplicas: Int
        /// What it goes by.
        package var metrics: [Metric]
        /// How fast.
        package var behavior: Behavior?
    }

    /// What is scaled.
    package struct Target: Codable, Sendable, Hashable {
        /// Its `group/version`.
        package var apiVersion: String
        /// Its kind.
        package var kind: String
        /// Its name.
        package var name: String
    }

    /// What it goes by.
    package struct Metric: Codable, Sendable, Hashable {
        /// The use of a resource.
        package struct Resource: Codable, Sendable, Hashable {
            /// The use to aim at.
            package struct Target: Codable, Sendable, Hashable {
                /// `Utilization` (of the request) or `AverageValue`.
                package var type: String
                /// The average per Pod.
                package var averageValue: String?
            }
            /// `cpu` or `memory`.
            package var name: String
            /// The use to aim at.
            package var target: Target
        }
        /// `Resource`.
        package var type: String
        /// The use of a resource.
        package var resource: Resource
    }

    /// How fast it scales.
    package struct Behavior: Codable, Sendable, Hashable {
        /// One direction.
        package struct Rules: Codable, Sendable, Hashable {
            /// How long it looks back before it acts, in seconds.
            package var stabilizationWindowSeconds: Int
            /// How much at a time; the most that any of them allows.
            package var policies: [Policy]
        }
        /// A limit.
        package struct Policy: Codable, Sendable, Hashable {
            /// `Percent` or `Pods`.
            package var type: String
            /// How many.
            package var value: Int
            /// In how many seconds.
            package var periodSeconds: Int
        }
        /// Up.
        package var scaleUp: Rules?
        /// Down.
        package var scaleDown: Rules?
    }

    package var metadata: ObjectMeta
    /// What is wanted.
    package var spec: Spec?
}

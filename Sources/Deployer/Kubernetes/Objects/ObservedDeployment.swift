import Kubernetes

/// A Deployment as far as Kiln looks at it once it is there: thousands of them are kept in memory.
package struct ObservedDeployment: KubernetesObject, Hashable {
    package static let resource = Deployment.resource

    /// What is wanted.
    package struct Spec: Codable, Sendable, Hashable {
        /// How many Pods.
        package var replicas: Int?
    }

    package var metadata: ObjectMeta
    /// What is wanted.
    package var spec: Spec?
    /// How it does.
    package var status: Deployment.Status?

    package mutating func thin() {
        metadata.thin(labels: FunctionLabels.identity, annotations: [KubernetesBackend.digestAnnotation])
        status?.conditions?.removeAll { !RolloutVerdict.counts($0) }
        if status?.conditions?.isEmpty == true { status?.conditions = nil }
    }
}

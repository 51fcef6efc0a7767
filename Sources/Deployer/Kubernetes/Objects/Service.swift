import Kubernetes

/// A Service (`v1`), as far as Kiln sets it.
package struct KubernetesService: KubernetesObject, Hashable {
    package static let resource = APIResource(group: "", version: "v1", plural: "services", kind: "Service")

    /// What is wanted.
    package struct Spec: Codable, Sendable, Hashable {
        /// A port.
        package struct Port: Codable, Sendable, Hashable {
            /// Its name.
            package var name: String
            /// Its number.
            package var port: Int
            /// The name of the Pods' port.
            package var targetPort: String
            /// `TCP`.
            package var `protocol` = "TCP"
        }
        /// `None` for a Service without an address of its own; immutable.
        package var clusterIP: String?
        /// Which Pods it stands for.
        package var selector: [String: String]?
        /// Its ports.
        package var ports: [Port]?
        /// Whether Pods that are not ready have DNS names.
        package var publishNotReadyAddresses: Bool?
    }

    package var metadata: ObjectMeta
    /// What is wanted.
    package var spec: Spec?
}

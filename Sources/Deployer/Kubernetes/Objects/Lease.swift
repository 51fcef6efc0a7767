import Kubernetes

/// A Lease (`coordination.k8s.io/v1`): who leads. All of its fields, because it is replaced, not applied.
package struct Lease: KubernetesObject, Hashable {
    package static let resource = APIResource(
        group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease")

    /// Who holds it and since when.
    package struct Spec: Codable, Sendable, Hashable {
        /// Who; absent or empty when it was released.
        package var holderIdentity: String?
        /// How long it holds after it was renewed, in seconds.
        package var leaseDurationSeconds: Int?
        /// When the holder got it.
        package var acquireTime: MicroTime?
        /// When the holder last renewed it.
        package var renewTime: MicroTime?
        /// How often it changed hands.
        package var leaseTransitions: Int?

        /// A lease of nobody.
        package init() {}
    }

    package var metadata: ObjectMeta
    /// Who holds it.
    package var spec: Spec?

    /// The lease `name`.
    package init(name: String, namespace: String, spec: Spec) {
        metadata = ObjectMeta(name: name, namespace: namespace)
        self.spec = spec
    }
}

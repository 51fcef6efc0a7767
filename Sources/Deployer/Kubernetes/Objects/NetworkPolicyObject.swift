import Kubernetes

/// A NetworkPolicy (`networking.k8s.io/v1`), as far as Kiln sets it.
package struct NetworkPolicyObject: KubernetesObject, Hashable {
    package static let resource = APIResource(
        group: "networking.k8s.io", version: "v1", plural: "networkpolicies", kind: "NetworkPolicy")

    /// What is wanted.
    package struct Spec: Codable, Sendable, Hashable {
        /// Whom it is about.
        package var podSelector: LabelSelector
        /// `Ingress` and `Egress`.
        package var policyTypes: [String]
        /// What may come in; nothing else may.
        package var ingress: [Ingress]?
        /// What may go out; nothing else may.
        package var egress: [Egress]?
    }

    /// What may come in.
    package struct Ingress: Codable, Sendable, Hashable {
        /// From whom.
        package var from: [Peer]
        /// To which ports.
        package var ports: [Port]
    }

    /// What may go out.
    package struct Egress: Codable, Sendable, Hashable {
        /// To whom.
        package var to: [Peer]
        /// To which ports; absent for all.
        package var ports: [Port]?
    }

    /// The other side: Pods, or addresses.
    package struct Peer: Codable, Sendable, Hashable {
        /// Pods in namespaces with these labels.
        package var namespaceSelector: LabelSelector?
        /// Pods with these labels.
        package var podSelector: LabelSelector?
        /// Addresses.
        package var ipBlock: Block?
    }

    /// Addresses.
    package struct Block: Codable, Sendable, Hashable {
        /// All in this range …
        package var cidr: String
        /// … but those in these.
        package var except: [String]?
    }

    /// A port.
    package struct Port: Codable, Sendable, Hashable {
        /// Its number.
        package var port: Int
        /// `TCP` or `UDP`.
        package var `protocol` = "TCP"
    }

    package var metadata: ObjectMeta
    /// What is wanted.
    package var spec: Spec?
}

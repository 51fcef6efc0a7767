import Contract

/// An EndpointSlice (`discovery.k8s.io/v1`), as far as Kiln reads it. It carries the labels of its Service.
package struct EndpointSlice: KubernetesObject, Hashable {
    package static let resource = APIResource(
        group: "discovery.k8s.io", version: "v1", plural: "endpointslices", kind: "EndpointSlice")

    /// A Pod's addresses.
    package struct Address: Codable, Sendable, Hashable {
        /// What may be sent to it; what is absent is unknown.
        package struct Conditions: Codable, Sendable, Hashable {
            /// New requests.
            package var ready: Bool?
            /// Requests, also while it ends.
            package var serving: Bool?
            /// It ends.
            package var terminating: Bool?
        }
        /// What they are the addresses of.
        package struct Target: Codable, Sendable, Hashable {
            /// `Pod`.
            package var kind: String?
            /// Its name.
            package var name: String?
            /// Which of the Pods that had this name.
            package var uid: String?
        }
        /// At least one; only the first is to be used.
        package var addresses: [String]?
        /// What may be sent to it.
        package var conditions: Conditions?
        /// The Pod.
        package var targetRef: Target?
    }

    /// A port of all addresses.
    package struct Port: Codable, Sendable, Hashable {
        /// Its name.
        package var name: String?
        /// Its number.
        package var port: Int?
    }

    package var metadata: ObjectMeta
    /// `IPv4`, `IPv6` or `FQDN`.
    package var addressType: String?
    /// The addresses; absent in the slice of a new Service.
    package var endpoints: [Address]?
    /// The ports; absent in the slice of a new Service.
    package var ports: [Port]?

    /// Where its Pods are reached at the port called `port`.
    package func pods(port name: String) -> [PodAddress] {
        guard addressType != "FQDN", let port = ports?.first(where: { $0.name == name })?.port else { return [] }
        return (endpoints ?? []).compactMap { address in
            guard let pod = address.targetRef, pod.kind == "Pod", let uid = pod.uid,
                let host = address.addresses?.first
            else { return nil }
            return PodAddress(
                uid: uid, endpoint: Endpoint(id: pod.name ?? uid, address: .tcp(host: host, port: port)),
                isReady: address.conditions?.ready, isTerminating: address.conditions?.terminating == true)
        }
    }
}

/// Where a Pod is reached.
package struct PodAddress: Sendable, Hashable {
    /// Which Pod.
    package let uid: String
    /// Where.
    package let endpoint: Endpoint
    /// Whether its probe has seen it ready; `nil` when nothing says so.
    package let isReady: Bool?
    /// Whether it ends.
    package let isTerminating: Bool

    /// Whether it takes new requests.
    package var takesRequests: Bool { isReady ?? true && !isTerminating }
    /// Whether it will take requests: a process may listen well before its probe says so.
    package var starts: Bool { isReady == false && !isTerminating }

    /// The addresses of `slices`, which are all of one Service, in the order of the Pods' names: each Pod once, however many slices it is in,
    /// where the first of them by name has it.
    package static func endpoints(
        _ slices: some Collection<(key: ObjectKey, pods: [PodAddress])>,
        where holds: (PodAddress) -> Bool = { _ in true }
    ) -> [Endpoint] {
        var found: [String: Endpoint] = [:]
        for slice in slices.sorted(by: { $0.key < $1.key }) {
            for pod in slice.pods where found[pod.uid] == nil && holds(pod) { found[pod.uid] = pod.endpoint }
        }
        return found.values.sorted { $0.id < $1.id }
    }
}

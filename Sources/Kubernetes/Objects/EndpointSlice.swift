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

    package mutating func thin() {
        metadata.thin(labels: FunctionLabels.identity)
        // A parked function's.
        if endpoints?.isEmpty != false { (endpoints, ports) = (nil, nil) }
    }

    /// Where the Pods of `slices`, which are all of one Service, take new requests at the port called `port`: ready ones that do not end,
    /// each once however many slices it is in, in the order of their names.
    package static func endpoints(of slices: some Collection<EndpointSlice>, port name: String) -> [Endpoint] {
        endpoints(of: slices, port: name) { $0?.ready ?? true && $0?.terminating != true }
    }

    /// Where the Pods of `slices` will take requests that are not ready and do not end: a process may listen well before its probe says so.
    package static func starting(of slices: some Collection<EndpointSlice>, port name: String) -> [Endpoint] {
        endpoints(of: slices, port: name) { $0?.ready == false && $0?.terminating != true }
    }

    /// Where the Pods of `slices` are, whatever they do: also those that start or end.
    package static func all(of slices: some Collection<EndpointSlice>, port name: String) -> [Endpoint] {
        endpoints(of: slices, port: name) { _ in true }
    }

    private static func endpoints(
        of slices: some Collection<EndpointSlice>, port name: String, where holds: (Address.Conditions?) -> Bool
    ) -> [Endpoint] {
        var found: [String: Endpoint] = [:]
        for slice in slices.sorted(by: { $0.key < $1.key }) where slice.addressType != "FQDN" {
            guard let port = slice.ports?.first(where: { $0.name == name })?.port else { continue }
            for address in slice.endpoints ?? [] {
                guard holds(address.conditions),
                    let pod = address.targetRef, pod.kind == "Pod", let id = pod.uid, found[id] == nil,
                    let host = address.addresses?.first
                else { continue }
                found[id] = Endpoint(id: pod.name ?? id, address: .tcp(host: host, port: port))
            }
        }
        return found.values.sorted { $0.id < $1.id }
    }
}

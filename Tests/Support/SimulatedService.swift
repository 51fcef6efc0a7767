package import Kubernetes

/// A Service without an address, whose Pods are processes of a test.
package struct SimulatedService: Sendable {
    /// One of its Pods.
    package struct Pod: Sendable {
        let name: String
        let host: String
        let port: Int
        let isReady: Bool

        /// The Pod `name`, which listens at `host`, a literal address, and `port`.
        package init(_ name: String, host: String = "127.0.0.1", port: Int, isReady: Bool = true) {
            self.name = name
            self.host = host
            self.port = port
            self.isReady = isReady
        }
    }

    let api: APIClient
    let name: String
    let namespace: String
    let port: String

    /// The Service `name` in `namespace`, whose one port is called `port`.
    package init(_ api: APIClient, _ name: String, in namespace: String, port: String) {
        self.api = api
        self.name = name
        self.namespace = namespace
        self.port = port
    }

    /// Lists exactly these Pods, as the controller of EndpointSlices does: one slice for each number of the port.
    package func list(_ pods: [Pod]) async throws {
        let selection = Selection(namespace: namespace, labels: "kubernetes.io/service-name=\(name)")
        var stale = Set(try await api.list(SimulatedSlice.self, selection).items.map(\.key.name))
        for (number, group) in Dictionary(grouping: pods, by: \.port).sorted(by: { $0.key < $1.key }) {
            let slice = "\(name)-\(number)"
            stale.remove(slice)
            var object = SimulatedSlice(
                metadata: ObjectMeta(
                    name: slice, namespace: namespace, labels: ["kubernetes.io/service-name": name]))
            object.ports = [.init(name: port, port: number)]
            object.endpoints = group.map {
                .init(
                    addresses: [$0.host],
                    conditions: .init(ready: $0.isReady, serving: $0.isReady, terminating: false),
                    targetRef: .init(kind: "Pod", name: $0.name, uid: "uid-\($0.name)"))
            }
            _ = try await api.apply(object, manager: "nodes")
        }
        for slice in stale { _ = try await api.delete(SimulatedSlice.self, slice, in: namespace) }
    }
}

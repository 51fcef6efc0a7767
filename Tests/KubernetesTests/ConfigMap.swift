@testable import Kubernetes

/// The simplest object there is, for tests of what is the same for all kinds.
struct ConfigMap: KubernetesObject, Hashable {
    static let resource = APIResource(group: "", version: "v1", plural: "configmaps", kind: "ConfigMap")
    var metadata: ObjectMeta
    var data: [String: String]?

    init(_ name: String, _ data: [String: String]? = nil, labels: [String: String]? = nil) {
        metadata = ObjectMeta(name: name, namespace: "functions", labels: labels)
        self.data = data
    }
}

import Contract
import Kubernetes

/// An Event (`v1`): what `kubectl describe` and `kubectl events` show of an object.
struct EventObject: KubernetesObject, Hashable {
    static let resource = APIResource(group: "", version: "v1", plural: "events", kind: "Event")

    /// What it is about.
    struct Reference: Codable, Sendable, Hashable {
        var apiVersion: String
        var kind: String
        var namespace: String
        var name: String
        var uid: String?
    }

    /// What tells of it.
    struct Source: Codable, Sendable, Hashable {
        var component: String
    }

    /// How much it matters.
    enum Kind: String, Codable, Sendable, Hashable {
        case normal = "Normal"
        case warning = "Warning"
    }

    /// Most bytes of a message that the API server takes.
    static let messageLimit = 1024

    var metadata: ObjectMeta
    var involvedObject: Reference
    var type: Kind
    var reason: String
    var message: String
    var source: Source
    var reportingComponent: String
    var reportingInstance: String
    var firstTimestamp: Timestamp
    var lastTimestamp: Timestamp
    var count = 1

    /// `reason` has come about for `object`, as the Deployer `instance` tells.
    init(
        of object: FunctionObject, _ type: Kind, _ reason: String, _ message: String, instance: String,
        at time: Timestamp
    ) {
        let key = object.key
        let suffix = String(UInt64.random(in: .min ... .max), radix: 16)
        metadata = ObjectMeta(name: "\(key.name).\(suffix)", namespace: key.namespace)
        involvedObject = Reference(
            apiVersion: FunctionObject.resource.apiVersion, kind: FunctionObject.resource.kind,
            namespace: key.namespace, name: key.name, uid: object.metadata.uid)
        self.type = type
        self.reason = reason
        self.message = Self.fitting(message)
        source = Source(component: "kiln-deployer")
        reportingComponent = "kiln.dev/deployer"
        reportingInstance = instance
        (firstTimestamp, lastTimestamp) = (time, time)
    }

    private static func fitting(_ text: String) -> String {
        guard text.utf8.count > messageLimit else { return text }
        var short = text
        while short.utf8.count > messageLimit - 3 { short.removeLast() }
        return short + "…"
    }
}

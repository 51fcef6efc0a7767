import Contract

/// An object of the API server, as far as Kiln uses it. Fields that Kiln does not know are passed over when it is read, and are never
/// written: what is read is not to be sent back by apply.
package protocol KubernetesObject: Codable, WatchedObject {
    /// Its name and what the server notes about it.
    var metadata: ObjectMeta { get set }
}

extension KubernetesObject {
    /// What identifies it among those of its kind.
    package var key: ObjectKey { ObjectKey(namespace: metadata.namespace ?? "", name: metadata.name ?? "") }
    package var uid: ObjectUID? { metadata.uid.map { ObjectUID($0) } }
    package var resourceVersion: String? { metadata.resourceVersion }
}

/// What identifies an object among those of its kind.
package struct ObjectKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The namespace; empty for objects of the cluster.
    package let namespace: String
    /// The name.
    package let name: String

    /// The object `name` in `namespace`.
    package init(namespace: String, name: String) {
        self.namespace = namespace
        self.name = name
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.namespace, left.name) < (right.namespace, right.name)
    }

    package var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}

/// The metadata of an object.
package struct ObjectMeta: Codable, Sendable, Hashable {
    /// Its name.
    package var name: String?
    /// Its namespace.
    package var namespace: String?
    /// Set by the server; tells an object from a later one of the same name.
    package var uid: String?
    /// The version of the object. Opaque; sent along, it makes a write fail when the object has changed since.
    package var resourceVersion: String?
    /// Counts the changes of `spec`.
    package var generation: Int64?
    /// When it was made.
    package var creationTimestamp: Timestamp?
    /// When it is to be gone; in the future while it may still take its time to end.
    package var deletionTimestamp: Timestamp?
    /// For selecting.
    package var labels: [String: String]?
    /// For noting.
    package var annotations: [String: String]?
    /// Whose end is its end.
    package var ownerReferences: [OwnerReference]?
    /// Who has to agree before it goes.
    package var finalizers: [String]?

    /// Metadata to apply.
    package init(
        name: String? = nil, namespace: String? = nil, labels: [String: String]? = nil,
        annotations: [String: String]? = nil, ownerReferences: [OwnerReference]? = nil
    ) {
        self.name = name
        self.namespace = namespace
        self.labels = labels
        self.annotations = annotations
        self.ownerReferences = ownerReferences
    }
}

/// A reference to an object whose end is the end of those that refer to it.
package struct OwnerReference: Codable, Sendable, Hashable {
    /// Its `group/version`.
    package var apiVersion: String
    /// Its kind.
    package var kind: String
    /// Its name, in the same namespace.
    package var name: String
    /// Which of the objects that had this name.
    package var uid: String
    /// Whether the owner manages the object; at most one owner does.
    package var controller: Bool?
    /// Whether the owner waits for the object when it is deleted in the foreground.
    package var blockOwnerDeletion: Bool?

    /// A reference to the owner `name`.
    package init(apiVersion: String, kind: String, name: String, uid: String, isController: Bool) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.name = name
        self.uid = uid
        controller = isController
        blockOwnerDeletion = isController
    }
}

/// An object with its kind, as it is sent.
struct Envelope<Object: KubernetesObject>: Encodable {
    let object: Object

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Object.resource.apiVersion, forKey: .apiVersion)
        try container.encode(Object.resource.kind, forKey: .kind)
        try object.encode(to: encoder)
    }

    private enum CodingKeys: CodingKey { case apiVersion, kind }
}

/// All or some objects of a kind at one version.
package struct ObjectList<Object: WatchedObject>: Sendable {
    /// The objects.
    package var items: [Object]
    /// The version they were read at: where a watch goes on.
    package var resourceVersion: String
}

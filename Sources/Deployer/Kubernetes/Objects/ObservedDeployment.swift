import Contract
import Kubernetes

/// A Deployment as far as Kiln looks at it once it is there: thousands of them are kept in memory.
package struct ObservedDeployment: WatchedObject, Hashable {
    package static let resource = Deployment.resource

    let meta: WatchedMeta
    /// The revision that it runs.
    package let revision: RevisionID?
    /// Counts the changes of what is wanted.
    package var generation: Int64
    /// How many Pods are wanted.
    package var replicas: Int?
    /// What was last applied, as Kiln notes it.
    package let applied: String?
    /// How it does; of its conditions those that say something about a roll-out.
    package var status: Deployment.Status?

    init(
        _ meta: WatchedMeta, revision: RevisionID?, generation: Int64?, replicas: Int?, applied: String? = nil,
        status: Deployment.Status?
    ) {
        self.meta = meta
        self.revision = revision
        self.generation = generation ?? 1
        self.replicas = replicas
        self.applied = applied
        self.status = status
        self.status?.conditions?.removeAll { !RolloutVerdict.counts($0) }
        if self.status?.conditions?.isEmpty == true { self.status?.conditions = nil }
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let metadata = try container.decode(ObjectMeta.self, forKey: .metadata)
        self.init(
            WatchedMeta(metadata), revision: RevisionID(labels: metadata.labels), generation: metadata.generation,
            replicas: try container.decodeIfPresent(Spec.self, forKey: .spec)?.replicas,
            applied: metadata.annotations?[KubernetesBackend.digestAnnotation],
            status: try container.decodeIfPresent(Deployment.Status.self, forKey: .status))
    }

    package var key: ObjectKey { meta.key }
    package var uid: ObjectUID? { meta.uid }
    package var resourceVersion: String? { meta.resourceVersion }

    private enum CodingKeys: CodingKey { case metadata, spec, status }
    private struct Spec: Decodable {
        var replicas: Int?
    }
}

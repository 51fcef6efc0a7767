import Contract
import Kubernetes

/// What the watches have told of each revision's objects.
struct ClusterView: Sendable {
    /// The objects of one revision.
    struct Revision: Sendable {
        var deployments: [ObjectKey: ObservedDeployment] = [:]
        var pods: [ObjectKey: Pod] = [:]
        var slices: [ObjectKey: EndpointSlice] = [:]

        /// There is one at most: names are made of the revision.
        var deployment: ObservedDeployment? { deployments.values.first }
        /// Where it takes new requests.
        var endpoints: [Endpoint] { EndpointSlice.endpoints(of: slices.values, port: RevisionObjects.portName) }
        /// Whether nothing of it is left.
        var isEmpty: Bool { deployments.isEmpty && pods.isEmpty && slices.isEmpty }
        /// How often its containers have been started again.
        var restarts: Int { pods.values.reduce(0) { $0 + ($1.function?.restartCount ?? 0) } }

        /// How the container that ended last did, in words.
        var lastFailure: String? {
            let ends = pods.values.compactMap { pod in
                pod.function?.state?.terminated ?? pod.function?.lastState?.terminated
            }
            let last = ends.max { ($0.finishedAt?.milliseconds ?? 0) < ($1.finishedAt?.milliseconds ?? 0) }
            return last.map { RolloutVerdict.end($0).text }
        }
    }

    /// The revisions of which there is anything.
    private(set) var revisions: [RevisionID: Revision] = [:]

    /// Notes a change of a table; returns the revision that it is about.
    mutating func note<Object: KubernetesObject>(
        _ change: TableChange<Object>, _ table: WritableKeyPath<Revision, [ObjectKey: Object]>
    ) -> RevisionID? {
        switch change {
        case .added(let object), .changed(_, let object):
            guard let id = RevisionID(labels: object.metadata.labels) else { return nil }
            revisions[id, default: Revision()][keyPath: table][object.key] = object
            return id
        case .removed(let object):
            guard let id = RevisionID(labels: object.metadata.labels) else { return nil }
            revisions[id]?[keyPath: table][object.key] = nil
            if revisions[id]?.isEmpty == true { revisions[id] = nil }
            return id
        case .synced: return nil
        }
    }
}

extension Pod {
    /// How the container that runs the function does.
    var function: ContainerStatus? {
        status?.containerStatuses?.first { $0.name == RevisionObjects.container }
    }
}

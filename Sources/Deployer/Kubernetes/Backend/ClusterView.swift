import Contract
import Kubernetes

/// What the watches have told of each revision's objects.
struct ClusterView: Sendable {
    /// The objects of one revision.
    struct Revision: Sendable {
        var deployments = FewObjects<ObservedDeployment>()
        var pods = FewObjects<Pod>()
        var slices = FewObjects<RoutedSlice>()

        /// There is one at most: names are made of the revision.
        var deployment: ObservedDeployment? { deployments.all.first }
        /// Where it takes new requests.
        var endpoints: [Endpoint] { RoutedSlice.endpoints(of: slices.all) }
        /// Whether nothing of it is left.
        var isEmpty: Bool { deployments.all.isEmpty && pods.all.isEmpty && slices.all.isEmpty }
        /// How often its containers have been started again.
        var restarts: Int { pods.all.reduce(0) { $0 + ($1.function?.restartCount ?? 0) } }

        /// How the container that ended last did, in words.
        var lastFailure: String? {
            let ends = pods.all.compactMap { pod in
                pod.function?.state?.terminated ?? pod.function?.lastState?.terminated
            }
            let last = ends.max { ($0.finishedAt?.milliseconds ?? 0) < ($1.finishedAt?.milliseconds ?? 0) }
            return last.map { RolloutVerdict.end($0).text }
        }
    }

    /// The revisions of which there is anything.
    private(set) var revisions: [RevisionID: Revision] = [:]

    /// Notes a change of a table; returns the revision that it is about.
    mutating func note<Object: RevisionObject>(
        _ change: TableChange<Object>, _ table: WritableKeyPath<Revision, FewObjects<Object>>
    ) -> RevisionID? {
        switch change {
        case .added(let object), .changed(_, let object):
            guard let id = object.revision else { return nil }
            revisions[id, default: Revision()][keyPath: table].put(object)
            return id
        case .removed(let object):
            guard let id = object.revision else { return nil }
            revisions[id]?[keyPath: table].remove(object.key)
            if revisions[id]?.isEmpty == true { revisions[id] = nil }
            return id
        case .synced: return nil
        }
    }
}

/// An object that belongs to a revision.
protocol RevisionObject: WatchedObject {
    /// The revision.
    var revision: RevisionID? { get }
}

extension ObservedDeployment: RevisionObject {}
extension RoutedSlice: RevisionObject {}
extension Pod: RevisionObject {
    var revision: RevisionID? { RevisionID(labels: metadata.labels) }
}

/// Objects of a kind of which a revision has a few: a list takes less memory than a table, of which there would be three for each revision.
struct FewObjects<Object: WatchedObject>: Sendable {
    /// The objects, in no order.
    private(set) var all: [Object] = []

    /// The object of this name.
    subscript(_ key: ObjectKey) -> Object? { all.first { $0.key == key } }

    /// The object has this state now.
    mutating func put(_ object: Object) {
        if let index = all.firstIndex(where: { $0.key == object.key }) {
            all[index] = object
        } else {
            all.append(object)
        }
    }

    /// The object is gone.
    mutating func remove(_ key: ObjectKey) { all.removeAll { $0.key == key } }
}

extension Pod {
    /// How the container that runs the function does.
    var function: ContainerStatus? {
        status?.containerStatuses?.first { $0.name == RevisionObjects.container }
    }
}

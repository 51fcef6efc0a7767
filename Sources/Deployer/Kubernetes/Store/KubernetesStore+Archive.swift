import Contract
import Kubernetes

extension KubernetesStore: ImportingStore {
    /// The function comes first, because it owns its revisions, and what is live last: before that nothing is served.
    package func adopt(_ function: FunctionSnapshot, images: ImagePlace) async throws -> Bool {
        guard let shown = function.revisions.first(where: { $0.number == function.live }) ?? function.revisions.first
        else { throw DeployerError(.store, "Function \(function.name) has no revision.") }
        let highest = max(function.revisions.map(\.number).max() ?? 0, function.collected)
        let ticket = try await counters.update(function.name) { counter in
            counter.highestRevision = max(counter.highestRevision, highest)
            counter.highestTicket += 1
            return counter.highestTicket
        }
        func image(_ item: FunctionSnapshot.Item) -> PinnedImage {
            PinnedImage(registry: images.registry, repository: images.repository, digest: item.digest)
        }
        var object = FunctionObject(
            metadata: ObjectMeta(
                name: function.name.value, namespace: namespace, labels: Self.labels(function.name)),
            spec: .init(image: image(shown).description, configuration: shown.spec))
        object.metadata.annotations = [FunctionObject.createdAnnotation: function.created.description]
        guard try await self.object(function.name) == nil else { return false }
        // As a deploy would, so that the next one owns what it changes.
        let made = try await api.apply(object, ownership: .respect).object
        for item in function.revisions.sorted(by: { $0.number < $1.number }) {
            let revision = Revision(
                function: function.name, number: item.number, image: image(item), spec: item.spec,
                created: item.created)
            _ = try await api.create(
                FunctionRevisionObject(revision, owner: made, ticket: ticket, namespace: namespace))
            try await note(revision.id) { status in
                status.state = item.state
                status.failure = item.failure
                status.pinned = item.pinned ? true : nil
                status.tagged = true
            }
        }
        try await noteStatus(function.name.value) { status, generation in
            status.live = function.live
            status.split = function.split
            status.liveTicket = ticket
            status.history = function.history.reversed().suffix(Self.historyLimit)
            status.collected = function.collected > 0 ? function.collected : nil
            status.observedGeneration = generation
        }
        return true
    }
}

/// The record of a cluster.
package struct ClusterRecord: ArchivedRecord {
    private let store: KubernetesStore

    /// The record in `store`.
    package init(_ store: KubernetesStore) { self.store = store }

    package func functions(
        _ names: [FunctionName], scratch: String
    ) async throws -> (snapshots: [FunctionSnapshot], numbers: [String: Int]) {
        let wanted = Set(names.map(\.value))
        let records = try await store.everything()
            .filter { function, _ in wanted.isEmpty || wanted.contains(function.key.name) }
            .map { try KubernetesStore.record($0, $1) }
        let found = Set(records.map(\.summary.name))
        if let missing = names.first(where: { !found.contains($0) }) { throw FunctionSnapshot.missing(missing) }
        let numbers = try await store.counters.all().mapValues(\.highestRevision).filter { $0.value > 0 }
        return (records.map { FunctionSnapshot($0) }, FunctionSnapshot.numbers(numbers, of: names))
    }
}

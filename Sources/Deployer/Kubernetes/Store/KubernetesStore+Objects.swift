import Contract
import Kubernetes

extension KubernetesStore {
    static func contended(_ name: FunctionName) -> DeployerError {
        DeployerError(
            .store, "Function \(name) was changed by others \(attempts) times while it was being written. Try again.")
    }

    func object(_ name: FunctionName) async throws -> FunctionObject? {
        let object = try await api.get(FunctionObject.self, name.value, in: namespace)
        // One that waits for its end is gone for everybody who asks.
        return object?.metadata.deletionTimestamp == nil ? object : nil
    }

    func revisions(of name: FunctionName) async throws -> [FunctionRevisionObject] {
        try await api.list(
            FunctionRevisionObject.self, Selection(namespace: namespace, labels: "kiln.dev/function=\(name)")
        ).items
    }

    func live(of function: FunctionObject) async throws -> Revision? {
        guard let number = function.status?.live else { return nil }
        let name = RevisionObjects.name(RevisionID(function: try FunctionName(function.key.name), number: number))
        return try await api.get(FunctionRevisionObject.self, name, in: namespace)?.revision()
    }

    /// The functions that one call asks the live revisions of: their names are in its URL.
    private static let asked = 100

    /// The live revisions of `functions`, by function: few calls, whatever their number.
    func live(of functions: [FunctionObject]) async throws -> [String: Revision] {
        var found: [String: Revision] = [:]
        let serving = functions.filter { $0.status?.live != nil }
        for start in stride(from: 0, to: serving.count, by: Self.asked) {
            let some = serving[start..<min(start + Self.asked, serving.count)]
            let live = Dictionary(some.map { ($0.key.name, $0.status?.live ?? 0) }) { first, _ in first }
            let labels =
                "kiln.dev/function in (\(live.keys.sorted().joined(separator: ","))),kiln.dev/revision in "
                + "(\(Set(live.values).sorted().map(String.init).joined(separator: ",")))"
            let list = try await api.list(
                FunctionRevisionObject.self, Selection(namespace: namespace, labels: labels))
            for object in list.items {
                let revision = try object.revision()
                if live[revision.function.value] == revision.number { found[revision.function.value] = revision }
            }
        }
        return found
    }

    /// Writes down what a deploy wants, and returns the object with it; `nil` when the object has ended meanwhile. Fields that somebody
    /// else has set otherwise are refused with a 409, unless the deploy takes them by force.
    func want(_ draft: RevisionDraft, _ known: FunctionObject?) async throws -> FunctionObject? {
        guard case .call(let force) = draft.source else { return known }
        var object = FunctionObject(
            metadata: ObjectMeta(
                name: draft.function.value, namespace: namespace, labels: Self.labels(draft.function)),
            spec: .init(image: draft.image.description, configuration: draft.spec))
        let created = known.map { $0.metadata.annotations?[FunctionObject.createdAnnotation] } ?? draft.now.description
        object.metadata.annotations = created.map { [FunctionObject.createdAnnotation: $0] }
        do throws(APIError) {
            let applied = try await api.apply(object, ownership: force ? .force : .respect).object
            return applied.metadata.deletionTimestamp == nil ? applied : nil
        } catch {
            guard error.code == .foreignOwner else { throw error }
            throw Self.foreign(error, draft.function)
        }
    }

    /// The labels of the object of `name`.
    static func labels(_ name: FunctionName) -> [String: String] {
        ["app.kubernetes.io/name": name.value, "app.kubernetes.io/part-of": "kiln", "kiln.dev/function": name.value]
    }

    /// The answer to a deploy that would overwrite what others have set.
    private static func foreign(_ error: APIError, _ name: FunctionName) -> Problem {
        let managers = Set(error.owners.map(\.manager)).sorted().map { "'\($0)'" }.joined(separator: " and ")
        let fields = Set(error.owners.map(\.field)).sorted().joined(separator: ", ")
        return Problem(
            "foreign-owner", 409, "Set by somebody else",
            "\(fields) of '\(name)' \(error.owners.count == 1 ? "was" : "were") set by \(managers). Change it there, or take it over "
                + "with force=true.")
    }

    /// Notes that what `function` asks for has been recorded.
    func observed(_ function: FunctionObject) async throws {
        guard let generation = function.metadata.generation else { return }
        try await noteStatus(function.key.name) { status, _ in
            status.observedGeneration = max(status.observedGeneration ?? 0, generation)
        }
    }

    /// Changes the status of a function, if there is one; `change` is told the function's generation, too.
    func noteStatus(_ name: String, _ change: (inout FunctionObject.Status, Int64?) -> Void) async throws {
        for _ in 0..<Self.attempts {
            guard var function = try await api.get(FunctionObject.self, name, in: namespace) else { return }
            var status = function.status ?? .init()
            change(&status, function.metadata.generation)
            guard status != function.status else { return }
            function.status = status
            if try await writeStatus(function) { return }
        }
        throw DeployerError(.store, "The status of Function \(name) was changed by others again and again. Try again.")
    }

    /// Replaces the status of `function` as it was read; `false` when it has changed since.
    func writeStatus(_ function: FunctionObject) async throws -> Bool {
        do throws(APIError) {
            _ = try await api.replace(function, subresource: "status")
            return true
        } catch {
            guard error.code == .conflict || error.code == .notFound else { throw error }
            return false
        }
    }

    /// Deletes a revision unless it has been pinned since it was read.
    func remove(_ object: FunctionRevisionObject) async throws -> Bool {
        guard let now = try await api.get(FunctionRevisionObject.self, object.key.name, in: namespace),
            now.status?.pinned != true
        else { return false }
        do throws(APIError) {
            return try await api.delete(
                FunctionRevisionObject.self, object.key.name, in: namespace, uid: object.metadata.uid,
                resourceVersion: now.metadata.resourceVersion) != .absent
        } catch {
            guard error.code == .conflict else { throw error }
            return false
        }
    }

    /// Changes the status of a revision and returns it; `nil` when there is no such revision.
    @discardableResult
    func note(
        _ id: RevisionID, _ change: (inout FunctionRevisionObject.Status) -> Void
    ) async throws -> FunctionRevisionObject.Status? {
        for _ in 0..<Self.attempts {
            guard var object = try await api.get(FunctionRevisionObject.self, RevisionObjects.name(id), in: namespace)
            else { return nil }
            var status = object.status ?? .init()
            change(&status)
            guard status != object.status else { return status }
            object.status = status
            do throws(APIError) {
                return try await api.replace(object, subresource: "status").status
            } catch {
                guard error.code == .conflict else { throw error }
            }
        }
        throw Self.contended(id.function)
    }
}

extension FunctionObject {
    /// When a function was first deployed, to the millisecond.
    static var createdAnnotation: String { "kiln.dev/created" }

    func summary(live: Revision?) throws -> FunctionSummary {
        let noted = metadata.annotations?[Self.createdAnnotation].flatMap { Timestamp($0) }
        return FunctionSummary(
            name: try FunctionName(key.name),
            created: noted ?? metadata.creationTimestamp ?? Timestamp(milliseconds: 0),
            live: live, split: status?.split)
    }
}

extension FunctionRevisionObject {
    init(_ revision: Revision, owner: FunctionObject, ticket: Int, share: CanaryShare? = nil, namespace: String) {
        metadata = ObjectMeta(
            name: RevisionObjects.name(revision.id), namespace: namespace, labels: RevisionObjects.labels(revision.id),
            ownerReferences: [owner.reference])
        spec = Spec(
            function: revision.function, number: revision.number, image: revision.image.description,
            configuration: revision.spec, created: revision.created, ticket: ticket, share: share?.percent,
            sticky: share?.sticky, stepBack: share?.stepBack)
    }

    func revision() throws -> Revision {
        guard let spec, let digest = try ImageReference(spec.image).digest else {
            throw DeployerError(.store, "The revision \(key) names no image by digest.")
        }
        let image = try ImageReference(spec.image)
        return Revision(
            function: spec.function, number: spec.number,
            image: PinnedImage(registry: image.registry, repository: image.repository, digest: digest),
            spec: spec.configuration, created: spec.created)
    }

    /// How it fares: what has been live is ready, also when that was noted only with the function.
    func state(_ function: FunctionObject) -> RevisionState {
        let state = status?.state ?? .pending
        guard state == .pending, let number = spec?.number else { return state }
        return function.status?.history?.contains { $0.served(number) } == true ? .ready : .pending
    }

    func record(_ function: FunctionObject) throws -> RevisionRecord {
        RevisionRecord(
            revision: try revision(), state: state(function), failure: status?.failure, pinned: status?.pinned == true)
    }

    func isOwned(by function: FunctionObject) -> Bool {
        metadata.ownerReferences?.contains { $0.uid == function.metadata.uid } == true
    }
}

import Contract
import Kubernetes

extension KubernetesStore {
    package func function(_ name: FunctionName) async throws -> FunctionRecord? {
        guard let function = try await object(name) else { return nil }
        return try Self.record(function, try await revisions(of: name))
    }

    /// What is remembered of `function`, whose revisions are these.
    static func record(
        _ function: FunctionObject, _ revisions: [FunctionRevisionObject]
    ) throws -> FunctionRecord {
        let live = try revisions.first { $0.spec?.number == function.status?.live }?.revision()
        return FunctionRecord(
            summary: try function.summary(live: live),
            revisions: try revisions.map { try $0.record(function) }.sorted { $0.revision.number > $1.revision.number },
            history: (function.status?.history ?? []).reversed(), collected: function.status?.collected ?? 0,
            liveTicket: function.status?.liveTicket ?? 0)
    }

    package func functions(after: FunctionName?, limit: Int) async throws -> [FunctionSummary] {
        let page = try await page(limit, after: after?.value)
        let live = try await live(of: page)
        return try page.map { try $0.summary(live: live[$0.key.name]) }
    }

    /// At most `count` functions after the name `after`. From the mark nearest to that on, which takes a call or two of somebody who turns
    /// pages; without one, a call for each page before.
    private func page(_ count: Int, after: String?) async throws(APIError) -> [FunctionObject] {
        var found: [FunctionObject] = []
        let mark = after.flatMap { marks.nearest(to: $0) }
        var token = mark?.token
        do throws(APIError) {
            repeat {
                let isThere = after == nil || mark?.name == after
                let page = try await api.some(
                    isThere ? count : max(count, api.pageSize), FunctionObject.self, Selection(namespace: namespace),
                    token: token)
                found += page.items.filter { $0.key.name > after ?? "" }
                token = page.token
                if let token, let last = page.items.last?.key.name { marks.note(last, token) }
            } while token != nil && found.count < count
        } catch {
            // Marks are good for some minutes only, unless the server forgets earlier.
            guard error.code == .expired, mark != nil else { throw error }
            marks.forget()
            return try await page(count, after: after)
        }
        return Array(found.prefix(count))
    }

    package func names() async throws -> [FunctionName] {
        try await api.list(NameOnly.self, Selection(namespace: namespace)) { $0.key.name }.items.map {
            try FunctionName($0)
        }.sorted()
    }

    package func records() async throws -> [FunctionRecord] {
        try await everything().map { try Self.record($0, $1) }
    }

    package func count() async throws -> Int {
        try await api.count(FunctionObject.self, in: namespace)
    }

    package func serving() async throws -> [ServingRecord] { try await overview().serving }

    package func pending() async throws -> [PendingRevision] { try await overview().pending }

    package func untagged() async throws -> [Revision] { try await overview().untagged }

    package func overview() async throws -> StoreOverview {
        var overview = StoreOverview(serving: [], pending: [], untagged: [])
        for (function, revisions) in try await entries() {
            let summary = FunctionSummary(
                name: function.name, created: Timestamp(milliseconds: 0),
                live: revisions.first { $0.revision.number == function.live }?.revision, split: function.split)
            let serving = ServingRecord(
                summary,
                revisions.map { RevisionRecord(revision: $0.revision, state: .ready, pinned: $0.isPinned) })
            if let serving { overview.serving.append(serving) }
            overview.pending +=
                revisions.filter { $0.isPending && !function.history.contains($0.revision.number) }
                .map { PendingRevision(revision: $0.revision, ticket: $0.ticket, share: $0.share) }.sorted {
                    $0.ticket < $1.ticket
                }
            overview.untagged += revisions.filter { !$0.isTagged }.map(\.revision)
        }
        return overview
    }

    /// What the overview needs of a function.
    private struct Function {
        var name: FunctionName
        var uid: String?
        var live: Int?
        var split: TrafficSplit?
        var history: Set<Int>

        init(_ object: FunctionObject) throws {
            name = try FunctionName(object.key.name)
            uid = object.metadata.uid
            live = object.status?.live
            split = object.status?.split
            history = Set(
                (object.status?.history ?? []).flatMap { [$0.revision] + ($0.traffic ?? []).map(\.revision) })
        }
    }

    /// What it needs of a revision.
    private struct Entry {
        var revision: Revision
        var owners: [String]
        var ticket: Int
        var share: CanaryShare?
        var isPending: Bool
        var isPinned: Bool
        var isTagged: Bool

        init(_ object: FunctionRevisionObject) throws {
            revision = try object.revision()
            owners = (object.metadata.ownerReferences ?? []).map(\.uid)
            ticket = object.spec?.ticket ?? 0
            share = object.spec.flatMap { spec in
                spec.share.map { CanaryShare(percent: $0, sticky: spec.sticky, stepBack: spec.stepBack) }
            }
            isPending = object.status?.state ?? .pending == .pending
            isPinned = object.status?.pinned == true
            isTagged = object.status?.tagged == true
        }
    }

    /// All functions by name, each with its revisions, whole: for an archive. Revisions whose function is gone are on their way out.
    func everything() async throws -> [(FunctionObject, [FunctionRevisionObject])] {
        // Revisions first: one whose function is made in between is not missed the next time.
        let revisions = try await api.list(FunctionRevisionObject.self, Selection(namespace: namespace)).items
        let functions = try await api.list(FunctionObject.self, Selection(namespace: namespace)).items
        let own = Dictionary(grouping: revisions) { $0.spec?.function.value ?? "" }
        return functions.sorted { $0.key < $1.key }.map { function in
            (function, (own[function.key.name] ?? []).filter { $0.isOwned(by: function) })
        }
    }

    /// Like ``everything()``, but of what may be thousands only what an overview needs: objects are let go of as they are read.
    private func entries() async throws -> [(Function, [Entry])] {
        let all = Selection(namespace: namespace)
        // Revisions first: one whose function is made in between is not missed the next time.
        let revisions = try await api.list(FunctionRevisionObject.self, all) { object in Result { try Entry(object) } }
        let functions = try await api.list(FunctionObject.self, all) { object in Result { try Function(object) } }
        let own = Dictionary(grouping: try revisions.items.map { try $0.get() }) { $0.revision.function }
        return try functions.items.map { try $0.get() }.sorted { $0.name < $1.name }.map { function in
            (function, (own[function.name] ?? []).filter { $0.owners.contains { $0 == function.uid } })
        }
    }
}

/// A function of which only the name is of interest.
private struct NameOnly: KubernetesObject {
    static let resource = FunctionObject.resource
    var metadata: ObjectMeta
}

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
            history: (function.status?.history ?? []).reversed(), collected: function.status?.collected ?? 0)
    }

    package func functions(after: FunctionName?, limit: Int) async throws -> [FunctionSummary] {
        let all = try await api.list(FunctionObject.self, Selection(namespace: namespace)).items
        let page = all.filter { $0.key.name > after?.value ?? "" }.sorted { $0.key < $1.key }.prefix(limit)
        var summaries: [FunctionSummary] = []
        for function in page { summaries.append(try function.summary(live: try await live(of: function))) }
        return summaries
    }

    package func count() async throws -> Int {
        try await api.count(FunctionObject.self, in: namespace)
    }

    package func serving() async throws -> [ServingRecord] {
        try await everything().compactMap { function, revisions in
            let live = try revisions.first { $0.spec?.number == function.status?.live }?.revision()
            let pinned = try revisions.filter { $0.status?.pinned == true && $0.spec?.number != live?.number }
                .map { try $0.revision() }
            guard live != nil || !pinned.isEmpty else { return nil }
            return ServingRecord(
                name: try FunctionName(function.key.name), live: live, pinned: pinned.sorted { $0.number < $1.number })
        }
    }

    package func pending() async throws -> [PendingRevision] {
        try await everything().flatMap { function, revisions in
            try revisions.filter { $0.state(function) == .pending }
                .map { PendingRevision(revision: try $0.revision(), ticket: $0.spec?.ticket ?? 0) }
                .sorted { $0.ticket < $1.ticket }
        }
    }

    package func untagged() async throws -> [Revision] {
        try await everything().flatMap { _, revisions in
            try revisions.filter { $0.status?.tagged != true }.map { try $0.revision() }
        }
    }

    /// All functions by name, each with its revisions. Revisions whose function is gone are on their way out.
    func everything() async throws -> [(FunctionObject, [FunctionRevisionObject])] {
        // Revisions first: one whose function is made in between is not missed the next time.
        let revisions = try await api.list(FunctionRevisionObject.self, Selection(namespace: namespace)).items
        let functions = try await api.list(FunctionObject.self, Selection(namespace: namespace)).items
        let own = Dictionary(grouping: revisions) { $0.spec?.function.value ?? "" }
        return functions.sorted { $0.key < $1.key }.map { function in
            (function, (own[function.key.name] ?? []).filter { $0.isOwned(by: function) })
        }
    }
}

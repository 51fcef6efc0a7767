import Contract
import GRDB
import Service

extension SQLiteStore {
    package func function(_ name: FunctionName) async throws -> FunctionRecord? {
        try await database.read { database in
            guard
                let row = try Row.fetchOne(database, sql: Self.summaries + " WHERE f.name = ?", arguments: [name.value])
            else { return nil }
            let revisions = try Row.fetchAll(
                database, sql: "SELECT * FROM revision WHERE function = ? ORDER BY number DESC", arguments: [name.value]
            )
            let history = try Row.fetchAll(
                database, sql: "SELECT * FROM history WHERE function = ? ORDER BY id DESC",
                arguments: [name.value])
            return FunctionRecord(
                summary: try row.summary(), revisions: try revisions.map { try $0.record() },
                history: try history.map { try $0.historyEntry() }, collected: row["collected"],
                liveTicket: try Counter.fetch(name, database).liveTicket)
        }
    }

    package func functions(after: FunctionName?, limit: Int) async throws -> [FunctionSummary] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: Self.summaries + " WHERE f.name > ? ORDER BY f.name LIMIT ?",
                arguments: [after?.value ?? "", limit]
            ).map { try $0.summary() }
        }
    }

    package func count() async throws -> Int {
        try await database.read { try Int.fetchOne($0, sql: "SELECT COUNT(*) FROM function") ?? 0 }
    }

    package func serving() async throws -> [ServingRecord] {
        try await database.read { database in
            var others: [String: [RevisionRecord]] = [:]
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT r.* FROM revision r JOIN function f ON f.name = r.function
                    WHERE f.live IS NOT r.number AND (r.pinned = 1 OR f.split IS NOT NULL AND r.number IN
                        (SELECT json_extract(value, '$.revision') FROM json_each(f.split, '$.shares')))
                    """)
            for row in rows { others[row["function"], default: []].append(try row.record()) }
            return try Row.fetchAll(database, sql: Self.summaries + " ORDER BY f.name").compactMap { row in
                let summary = try row.summary()
                return ServingRecord(summary, others[summary.name.value] ?? [])
            }
        }
    }

    package func pending() async throws -> [PendingRevision] {
        try await database.read { database in
            try Row.fetchAll(
                database, sql: "SELECT * FROM revision WHERE state = 'pending' ORDER BY function, ticket"
            ).map { PendingRevision(revision: try $0.revision(), ticket: $0["ticket"], share: try $0.canaryShare()) }
        }
    }

    package func untagged() async throws -> [Revision] {
        try await database.read { database in
            try Row.fetchAll(database, sql: "SELECT * FROM revision WHERE tagged = 0").map { try $0.revision() }
        }
    }

    static func live(_ name: FunctionName, _ database: Database) throws -> Revision? {
        try Row.fetchOne(
            database,
            sql:
                "SELECT r.* FROM revision r JOIN function f ON f.name = r.function AND f.live = r.number WHERE f.name = ?",
            arguments: [name.value])?.revision()
    }

    private static let summaries = """
        SELECT f.name, f.created AS function_created, f.collected, f.split, r.*
        FROM function f LEFT JOIN revision r ON r.function = f.name AND r.number = f.live
        """
}

/// The counters of a name, zero when it was never used.
struct Counter {
    var highestRevision = 0
    var liveTicket = 0
    var deletedTicket = 0

    static func fetch(_ name: FunctionName, _ database: Database) throws -> Counter {
        guard let row = try Row.fetchOne(database, sql: "SELECT * FROM counter WHERE name = ?", arguments: [name.value])
        else { return Counter() }
        return Counter(
            highestRevision: row["highest_revision"], liveTicket: row["live_ticket"],
            deletedTicket: row["deleted_ticket"])
    }
}

extension Row {
    /// A spec as the JSON text that the table keeps.
    static func text(_ spec: FunctionSpec) throws -> String { try json(spec) }

    static func json(_ value: some Encodable) throws -> String {
        String(decoding: try JSON.encode(value), as: UTF8.self)
    }

    private func decoded<Value: Decodable>(_ type: Value.Type, _ column: String) throws -> Value? {
        let text: String? = self[column]
        return try text.map { try JSON.decode(type, from: Array($0.utf8)) }
    }

    func split() throws -> TrafficSplit? { try decoded(TrafficSplit.self, "split") }

    func revision() throws -> Revision {
        let image = try ImageReference(self["image"])
        guard case .digest(let digest) = image.selector else {
            throw DeployerError(.store, "The store names the image \(image) without a digest.")
        }
        return Revision(
            function: try FunctionName(self["function"]), number: self["number"],
            image: PinnedImage(registry: image.registry, repository: image.repository, digest: digest),
            spec: try JSON.decode(FunctionSpec.self, from: Array((self["spec"] as String).utf8)),
            created: Timestamp(milliseconds: self["created"]))
    }

    func record() throws -> RevisionRecord {
        guard let state = RevisionState(rawValue: self["state"]) else {
            throw DeployerError(.store, "The store has a revision in an unknown state.")
        }
        return RevisionRecord(
            revision: try revision(), state: state, failure: self["failure"], pinned: self["pinned"] == 1)
    }

    func historyEntry() throws -> HistoryEntry {
        guard let cause = LiveCause(rawValue: self["cause"]) else {
            throw DeployerError(.store, "The store has a history entry with an unknown cause.")
        }
        return HistoryEntry(
            revision: self["revision"], at: Timestamp(milliseconds: self["at"]), cause: cause,
            traffic: try decoded([TrafficSplit.Share].self, "traffic"), reason: self["reason"])
    }

    /// What a pending revision is to get.
    func canaryShare() throws -> CanaryShare? {
        try decoded(CanaryShare.self, "terms") ?? (self["share"] as Int?).map { CanaryShare(percent: $0) }
    }

    func summary() throws -> FunctionSummary {
        let live: Int? = self["number"]
        return FunctionSummary(
            name: try FunctionName(self["name"]), created: Timestamp(milliseconds: self["function_created"]),
            live: live == nil ? nil : try revision(), split: try split())
    }
}

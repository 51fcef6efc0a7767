import Contract
import GRDB
import Service

/// The function store of one machine: a SQLite file in the state directory, written ahead (WAL) and synced at every commit.
package struct SQLiteStore: FunctionStore {
    let database: DatabasePool

    /// Opens the file at `path`, creating or migrating it (the old one is kept beside it); throws ``DeployerError`` when it is damaged or
    /// of a newer Kiln.
    package init(path: String) throws {
        try self.init(path: path, migrator: SQLiteSchema.migrator)
    }

    init(path: String, migrator: DatabaseMigrator) throws {
        database = try Self.open(path, migrator: migrator)
    }

    package func issueTicket(for name: FunctionName) async throws -> Int {
        try await database.write { database in
            try Int.fetchOne(
                database,
                sql: """
                    INSERT INTO counter (name, highest_ticket) VALUES (?, 1)
                    ON CONFLICT (name) DO UPDATE SET highest_ticket = highest_ticket + 1
                    RETURNING highest_ticket
                    """, arguments: [name.value]) ?? 1
        }
    }

    package func record(_ draft: RevisionDraft, floor: Int) async throws -> RecordOutcome {
        let spec = try Row.text(draft.spec)
        return try await database.write { database in
            let counter = try Counter.fetch(draft.function, database)
            guard draft.ticket > counter.deletedTicket else { return .deleted }
            let superseded = draft.ticket < counter.liveTicket
            if !superseded, let live = try Self.live(draft.function, database), live.image.digest == draft.image.digest,
                live.spec == draft.spec
            {
                try database.execute(
                    sql: "UPDATE counter SET live_ticket = ? WHERE name = ?",
                    arguments: [draft.ticket, draft.function.value])
                return .unchanged(live)
            }
            let terms = try draft.share.flatMap { try $0.isPlain ? nil : Row.json($0) }
            let number = max(counter.highestRevision, floor) + 1
            let revision = Revision(
                function: draft.function, number: number, image: draft.image, spec: draft.spec, created: draft.now)
            try database.execute(
                sql: """
                    INSERT INTO counter (name, highest_revision) VALUES (:name, :number)
                        ON CONFLICT (name) DO UPDATE SET highest_revision = :number;
                    INSERT INTO function (name, created) VALUES (:name, :now) ON CONFLICT DO NOTHING;
                    """, arguments: ["name": draft.function.value, "number": number, "now": draft.now.milliseconds])
            try database.execute(
                sql: """
                    INSERT INTO revision (function, number, image, spec, created, ticket, state, share, terms)
                    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    draft.function.value, number, draft.image.description, spec, draft.now.milliseconds, draft.ticket,
                    superseded ? RevisionState.superseded.rawValue : RevisionState.pending.rawValue,
                    draft.share?.percent, terms,
                ])
            return superseded ? .superseded(revision) : .pending(revision)
        }
    }

    package func goLive(
        _ id: RevisionID, split: TrafficSplit?, ticket: Int, cause: LiveCause, reason: String?
    ) async throws -> GoLiveOutcome {
        let now = Timestamp.now()
        let (text, shares) = try (split.map(Row.json), split.map { try Row.json($0.shares) })
        return try await database.write { database in
            let counter = try Counter.fetch(id.function, database)
            guard
                let function = try Row.fetchOne(
                    database, sql: "SELECT live FROM function WHERE name = ?", arguments: [id.function.value]),
                ticket > counter.deletedTicket
            else { return .deleted }
            guard ticket >= counter.liveTicket else {
                try database.execute(
                    sql:
                        "UPDATE revision SET state = 'superseded' WHERE function = ? AND number = ? AND state = 'pending'",
                    arguments: [id.function.value, id.number])
                return .superseded
            }
            try database.execute(
                sql: "UPDATE counter SET live_ticket = :ticket WHERE name = :name",
                arguments: ["name": id.function.value, "ticket": ticket])
            try database.execute(
                sql: "UPDATE function SET live = :number, split = :split WHERE name = :name",
                arguments: ["name": id.function.value, "number": id.number, "split": text])
            for number in split?.shares.map(\.revision) ?? [id.number] {
                try database.execute(
                    sql:
                        "UPDATE revision SET state = 'ready', failure = NULL WHERE function = :name AND number = :number",
                    arguments: ["name": id.function.value, "number": number])
            }
            try database.execute(
                sql: "INSERT INTO history (function, revision, at, cause, traffic, reason) VALUES (?, ?, ?, ?, ?, ?)",
                arguments: [id.function.value, id.number, now.milliseconds, cause.rawValue, shares, reason])
            let previous: Int? = function["live"]
            return .live(previous: previous == id.number ? nil : previous)
        }
    }

    package func fail(_ id: RevisionID, reason: String) async throws {
        try await update("state = 'failed', failure = ?", of: id, with: [reason], where: "state = 'pending'")
    }

    package func countAttempt(_ id: RevisionID) async throws -> Int {
        try await database.write { database in
            try Int.fetchOne(
                database,
                sql: "UPDATE revision SET attempts = attempts + 1 WHERE function = ? AND number = ? RETURNING attempts",
                arguments: [id.function.value, id.number]) ?? 0
        }
    }

    package func setPinned(_ id: RevisionID, _ pinned: Bool) async throws -> Bool {
        try await update("pinned = ?", of: id, with: [pinned ? 1 : 0]) == 1
    }

    package func markTagged(_ id: RevisionID) async throws { try await update("tagged = 1", of: id) }

    package func delete(_ name: FunctionName, ticket: Int) async throws -> Bool {
        try await database.write { database in
            try database.execute(sql: "DELETE FROM function WHERE name = ?", arguments: [name.value])
            let deleted = database.changesCount > 0
            try database.execute(
                sql: "UPDATE counter SET deleted_ticket = max(deleted_ticket, ?) WHERE name = ?",
                arguments: [ticket, name.value])
            return deleted
        }
    }

    package func collect(_ numbers: Set<Int>, of name: FunctionName) async throws -> [Revision] {
        try await database.write { database in
            var removed: [Revision] = []
            let split = try Row.fetchOne(
                database, sql: "SELECT split FROM function WHERE name = ?", arguments: [name.value])?.split()
            for number in numbers.sorted(by: >) where split?.percent(of: number) == nil {
                let row = try Row.fetchOne(
                    database,
                    sql: """
                        DELETE FROM revision WHERE function = :name AND number = :number AND pinned = 0 AND state <> 'pending'
                            AND number IS NOT (SELECT live FROM function WHERE name = :name)
                        RETURNING *
                        """, arguments: ["name": name.value, "number": number])
                guard let revision = try row?.revision() else { continue }
                removed.append(revision)
                try database.execute(
                    sql: "DELETE FROM history WHERE function = ? AND revision = ?", arguments: [name.value, number])
            }
            guard let highest = removed.first?.number else { return [] }
            try database.execute(
                sql: "UPDATE function SET collected = max(collected, ?) WHERE name = ?",
                arguments: [highest, name.value])
            return removed
        }
    }

    @discardableResult
    private func update(
        _ assignment: String, of id: RevisionID, with values: StatementArguments = [],
        where condition: String = "TRUE"
    ) async throws -> Int {
        try await database.write { database in
            try database.execute(
                sql: "UPDATE revision SET \(assignment) WHERE function = ? AND number = ? AND \(condition)",
                arguments: values + [id.function.value, id.number])
            return database.changesCount
        }
    }
}

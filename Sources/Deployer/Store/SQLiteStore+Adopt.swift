import Contract
import GRDB

extension SQLiteStore: ImportingStore {
    /// The highest revision numbers by name, also of functions that are gone.
    func highestNumbers() async throws -> [String: Int] {
        try await database.read { database in
            let rows = try Row.fetchAll(
                database, sql: "SELECT name, highest_revision FROM counter WHERE highest_revision > 0")
            let pairs = rows.map { row -> (String, Int) in (row["name"], row["highest_revision"]) }
            return Dictionary(pairs, uniquingKeysWith: { $1 })
        }
    }

    /// Keeps revision numbers up to those in `numbers` from being used again.
    package func reserve(_ numbers: [String: Int]) async throws {
        try await database.write { database in
            for (name, number) in numbers {
                try database.execute(
                    sql: """
                        INSERT INTO counter (name, highest_revision) VALUES (?, ?)
                            ON CONFLICT (name) DO UPDATE SET highest_revision = max(highest_revision, excluded.highest_revision)
                        """, arguments: [name, number])
            }
        }
    }

    package func adopt(_ function: FunctionSnapshot, images: ImagePlace) async throws -> Bool {
        let name = function.name.value
        let split = try function.split.map(Row.json)
        try await reserve([name: max(function.revisions.map(\.number).max() ?? 0, function.collected)])
        return try await database.write { database in
            try database.execute(
                sql: """
                    INSERT INTO function (name, live, created, collected, split) VALUES (?, ?, ?, ?, ?)
                        ON CONFLICT DO NOTHING
                    """,
                arguments: [name, function.live, function.created.milliseconds, function.collected, split])
            guard database.changesCount > 0 else { return false }
            for item in function.revisions {
                let image = ImageReference(
                    registry: images.registry, repository: images.repository, digest: item.digest)
                try database.execute(
                    sql: """
                        INSERT INTO revision (function, number, image, spec, created, ticket, state, failure, pinned, tagged)
                        VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, 1)
                        """,
                    arguments: [
                        name, item.number, image.description, try Row.text(item.spec), item.created.milliseconds,
                        item.state.rawValue, item.failure, item.pinned ? 1 : 0,
                    ])
            }
            for entry in function.history.reversed() {
                try database.execute(
                    sql:
                        "INSERT INTO history (function, revision, at, cause, traffic, reason) VALUES (?, ?, ?, ?, ?, ?)",
                    arguments: [
                        name, entry.revision, entry.at.milliseconds, entry.cause.rawValue,
                        try entry.traffic.map(Row.json), entry.reason,
                    ])
            }
            return true
        }
    }
}

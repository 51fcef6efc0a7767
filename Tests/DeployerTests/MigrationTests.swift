import Contract
import FoundationEssentials
import GRDB
import Support
import Testing

@testable import Deployer

/// State directories of earlier releases, checked in as what they wrote.
@Suite struct MigrationTests {
    /// Writes the database that `release` left to `path`.
    private func write(_ release: String, to path: String) async throws {
        let sql = try String(contentsOfFile: "\(Self.fixtures)/store-\(release).sql", encoding: .utf8)
        let made = try await command("sqlite3", [path], input: Array(sql.utf8))
        #expect(made.succeeded, "\(made.errors)")
    }

    private static var fixtures: String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path + "/Fixtures"
    }

    @Test func `a store of release 0.1.0 opens with all it had`() async throws {
        try await withDirectory { directory in
            let path = directory + "/kiln.sqlite"
            try await write("0.1.0", to: path)
            let store = try SQLiteStore(path: path)

            #expect(
                try await store.functions(after: nil, limit: 10).map(\.name.value) == [
                    "gone", "guarded", "hello", "quiet",
                ])
            let hello = try #require(try await store.function(name("hello")))
            #expect(hello.summary.live?.number == 2)
            #expect(hello.revisions.map(\.revision.number) == [4, 3, 2, 1])
            #expect(hello.revisions.map(\.state) == [.failed, .ready, .ready, .ready])
            #expect(hello.revisions.filter(\.pinned).map(\.revision.number) == [1])
            #expect(hello.history.map(\.revision) == [2, 3, 2, 1])
            let live = try #require(hello.summary.live)
            #expect(live.spec.environment == ["GREETING": "hi"] && live.spec.memoryBytes == 128 << 20)
            #expect(
                live.image.digest.description
                    == "sha256:720a55a2631be8f94f0c9cc688165d108a157b1ed67f7327762d57eff9df3e75")
            #expect(try await store.function(name("guarded"))?.summary.live?.spec.secrets == ["API_KEY"])
            #expect(try await store.serving().flatMap(\.pinned).map(\.number) == [1])

            // Numbers and tickets go on where they were, also those of a function that was deleted.
            #expect(try await store.deploy("removed", "a").number == 2)
            #expect(try await store.issueTicket(for: name("hello")) == 6)
        }
    }

    @Test func `before a migration the old file is kept, and an old Kiln could read it`() async throws {
        try await withDirectory { directory in
            let path = directory + "/kiln.sqlite"
            try await write("0.1.0", to: path)
            _ = try SQLiteStore(path: path)
            let tables = try await command("sqlite3", [path + ".schema-1", "SELECT identifier FROM grdb_migrations"])
            #expect(tables.output == "functions, revisions, history, counters\n")
            let kept = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.contains("schema") }
            #expect(kept == ["kiln.sqlite.schema-1"])
            // The next start finds nothing to do and copies nothing.
            try FileManager.default.removeItem(atPath: path + ".schema-1")
            _ = try SQLiteStore(path: path)
            #expect(!FileManager.default.fileExists(atPath: path + ".schema-1"))
        }
    }

    @Test func `a store of a newer Kiln is refused and stays as it is`() async throws {
        try await withDirectory { directory in
            let path = directory + "/kiln.sqlite"
            var newer = SQLiteSchema.migrator
            newer.registerMigration("of the future") { try $0.execute(sql: "CREATE TABLE future (x)") }
            try SQLiteStore(path: path, migrator: newer).database.close()
            let error = #expect(throws: DeployerError.self) { try SQLiteStore(path: path) }
            #expect(error?.message.contains("newer Kiln") == true)
            #expect(!FileManager.default.fileExists(atPath: path + ".schema-1"))
        }
    }

    @Test(arguments: [4096, 10_000, 20_000]) func `a truncated store is refused with a sentence`(_ size: Int)
        async throws
    {
        try await withDirectory { directory in
            let path = directory + "/kiln.sqlite"
            try await write("0.1.0", to: path)
            let whole = try Data(contentsOf: URL(filePath: path))
            #expect(whole.count > size)
            try whole.prefix(size).write(to: URL(filePath: path))
            let error = #expect(throws: DeployerError.self) { try SQLiteStore(path: path) }
            #expect(error?.message.contains("Nothing was changed") == true, "\(error?.message ?? "opened")")
            #expect(try Data(contentsOf: URL(filePath: path)) == whole.prefix(size))
        }
    }
}

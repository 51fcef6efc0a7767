import GRDB
import Glibc

extension SQLiteStore {
    /// Opens the file at `path`, making it when there is none, and brings its tables up to date. Before a migration the file is copied to
    /// `<path>.schema-<N>`, N being the number of migrations it had, so that an older Kiln can be started again on it.
    /// Throws ``DeployerError`` when the file is damaged, of a newer Kiln, or cannot be copied.
    static func open(_ path: String, migrator: DatabaseMigrator) throws -> DatabasePool {
        do {
            let database = try DatabasePool(path: path, configuration: configuration)
            let (superseded, applied, complete) = try database.read { database in
                try (
                    migrator.hasBeenSuperseded(database), migrator.appliedIdentifiers(database),
                    migrator.hasCompletedMigrations(database)
                )
            }
            guard !superseded else {
                throw DeployerError(
                    .store, "The state at \(path) was written by a newer Kiln. Start that version, or restore a backup."
                )
            }
            try check(database, path)
            if !applied.isEmpty, !complete { try keepCopy(of: database, at: "\(path).schema-\(applied.count)") }
            try migrator.migrate(database)
            return database
        } catch let error as DatabaseError {
            throw DeployerError(
                .store,
                "The state at \(path) cannot be opened: \(error.message ?? "unknown reason"). Nothing was changed; restore a "
                    + "backup into another directory, or give Kiln the file as it was.", error)
        }
    }

    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(5)
        configuration.maximumReaderCount = 4
        configuration.prepareDatabase { database in
            try database.execute(sql: "PRAGMA synchronous = FULL")
        }
        return configuration
    }

    /// Reads every page once (some 10 ms for 1,000 functions), so that damage is found before anything is written on top of it.
    private static func check(_ database: DatabasePool, _ path: String) throws {
        let finding = try database.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }
        guard finding == "ok" else {
            throw DeployerError(
                .store,
                "The state at \(path) is damaged (\(finding ?? "no answer")). Nothing was changed; restore a backup into another "
                    + "directory, or give Kiln the file as it was.")
        }
    }

    private static func keepCopy(of database: DatabasePool, at path: String) throws {
        let draft = path + ".tmp"
        unlink(draft)
        do {
            let copy = try DatabaseQueue(path: draft)
            try database.backup(to: copy)
            try copy.close()
        } catch let error as DatabaseError {
            unlink(draft)
            throw DeployerError(
                .store,
                "The state cannot be copied to \(path) before it is upgraded: \(error.message ?? "unknown reason"). Make room, "
                    + "then start again; nothing was changed.", error)
        }
        chmod(draft, 0o600)
        guard rename(draft, path) == 0 else {
            throw DeployerError(.store, "The state cannot be copied to \(path): \(String(cString: strerror(errno))).")
        }
    }
}

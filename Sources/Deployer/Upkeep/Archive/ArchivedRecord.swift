import Contract
import FoundationEssentials
import GRDB

/// A record of functions that can be put into an archive, whether its platform runs or not.
package protocol ArchivedRecord: Sendable {
    /// The functions called `names`, or all, by name, with the highest revision numbers by name, also of functions that are gone. Throws
    /// when one is not there. `scratch` is a directory for its files.
    func functions(
        _ names: [FunctionName], scratch: String
    ) async throws -> (snapshots: [FunctionSnapshot], numbers: [String: Int])
}

/// The record of one machine: copied as it is at one moment (SQLite's online backup).
package struct DatabaseRecord: ArchivedRecord {
    private let path: String

    /// The record in the SQLite file `path`.
    package init(path: String) { self.path = path }

    package func functions(
        _ names: [FunctionName], scratch: String
    ) async throws -> (snapshots: [FunctionSnapshot], numbers: [String: Int]) {
        let copy = scratch + "/kiln.sqlite"
        do {
            var configuration = Configuration()
            configuration.readonly = true
            let source = try DatabaseQueue(path: path, configuration: configuration)
            let target = try DatabaseQueue(path: copy)
            try source.backup(to: target)
            try target.close()
        } catch let error as DatabaseError {
            throw DeployerError(.store, "The record in \(path) cannot be read: \(error.message ?? "unknown reason").")
        }
        let store = try SQLiteStore(path: copy)
        var snapshots: [FunctionSnapshot] = []
        for name in try await names.isEmpty ? store.names() : names.sorted() {
            guard let record = try await store.function(name) else { throw FunctionSnapshot.missing(name) }
            snapshots.append(FunctionSnapshot(record))
        }
        return (snapshots, FunctionSnapshot.numbers(try await store.highestNumbers(), of: names))
    }
}

extension FunctionSnapshot {
    /// The error when there is no function `name`.
    static func missing(_ name: FunctionName) -> DeployerError {
        DeployerError(.store, "There is no function '\(name)'. 'kiln list' prints what there is.")
    }

    /// Of `numbers` those of `names`, or all.
    static func numbers(_ numbers: [String: Int], of names: [FunctionName]) -> [String: Int] {
        names.isEmpty ? numbers : numbers.filter { number in names.contains { $0.value == number.key } }
    }
}

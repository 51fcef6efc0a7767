import Contract
import FoundationEssentials
import Glibc

/// Files in the state directory that nothing needs any more.
package struct StateLeftovers: Sendable {
    /// Copies of the store from before upgrades that are kept.
    static let storeCopies = 3
    /// Seconds after which a half-written file counts as abandoned.
    static let abandoned = 86_400

    private let directory: String

    /// Those in the state directory `directory`.
    package init(directory: String) { self.directory = directory }

    /// Logs of functions that are not in `functions`, as paths with their bytes.
    func logs(without functions: Set<FunctionName>) -> [String: Int] {
        var found: [String: Int] = [:]
        for name in DiskFile.names(in: directory + "/logs") {
            // Only what could be a function's: `kiln` is the checker's.
            guard let function = try? FunctionName(name), !functions.contains(function) else { continue }
            let path = "\(directory)/logs/\(name)"
            found[path] = Self.size(of: path)
        }
        return found
    }

    /// All but the newest copies of the store, and what a crash left half-written, as paths with their bytes.
    func files() -> [String: Int] {
        var found: [String: Int] = [:]
        let names = DiskFile.names(in: directory)
        let copies = names.filter { $0.hasPrefix("kiln.sqlite.schema-") && !$0.hasSuffix(".tmp") }
            .sorted { Self.age(of: "\(directory)/\($0)") < Self.age(of: "\(directory)/\($1)") }
        let drafts = names.filter { name in
            (name.hasSuffix(".tmp") || name.hasSuffix(".new") || name.hasPrefix("import-"))
                && Self.age(of: "\(directory)/\(name)") > Self.abandoned
        }
        for name in copies.dropFirst(Self.storeCopies) + drafts {
            found["\(directory)/\(name)"] = Self.size(of: "\(directory)/\(name)")
        }
        return found
    }

    /// The bytes on disk of `path` and all below it; links are not followed.
    static func size(of path: String) -> Int {
        var status = stat()
        guard lstat(path, &status) == 0 else { return 0 }
        var bytes = Int(status.st_blocks) * 512
        if status.st_mode & S_IFMT == S_IFDIR {
            for name in DiskFile.names(in: path) { bytes += size(of: "\(path)/\(name)") }
        }
        return bytes
    }

    private static func age(of path: String) -> Int {
        var status = stat()
        return lstat(path, &status) == 0 ? time(nil) - status.st_mtim.tv_sec : 0
    }
}

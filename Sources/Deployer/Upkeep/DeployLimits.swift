import Contract
import Glibc

/// What a platform takes in before it refuses deploys.
package struct DeployLimits: Hashable, Sendable {
    /// Most functions; flag `--max-functions`.
    package var functions = 10_000
    /// Bytes that must be free on the disk of ``directory`` for a deploy; flag `--min-free-disk`. Below it deploys are refused, so that a disk
    /// that fills up does so with room left for what keeps functions running.
    package var freeBytes: Int64 = 256 << 20
    /// The memory of the checker, in bytes: it holds the files of two resolutions, packages' types, and processes.
    package var checkerBytes: Int64 = 3 << 30
    /// The state directory; without one the disk is not looked at.
    package var directory: String?

    /// The defaults.
    package init() {}

    /// Why nothing can be deployed now; `nil` when it can.
    func diskProblem() -> Problem? {
        guard let directory, let free = FreeSpace.bytes(at: directory), free < freeBytes else { return nil }
        return Problem(
            "disk-full", 507, "Disk is full",
            "The disk of the state directory \(directory) has \(free >> 20) MiB free, and deploys need \(freeBytes >> 20) MiB "
                + "(--min-free-disk). Make room: 'kiln gc' removes old revisions. Functions go on running.")
    }

    /// The answer to a deploy of one function too many.
    func functionsProblem() -> Problem {
        Problem(
            "too-many-functions", 409, "Too many functions",
            "There are \(functions) functions, and more are not allowed here (--max-functions). Delete one, or have the operator raise "
                + "the limit.")
    }
}

/// The room on a disk.
package enum FreeSpace {
    /// Bytes free to Kiln on the disk of `path`; `nil` when that cannot be told.
    package static func bytes(at path: String) -> Int64? {
        var status = statvfs()
        guard statvfs(path, &status) == 0 else { return nil }
        return Int64(status.f_bavail) * Int64(status.f_frsize)
    }
}

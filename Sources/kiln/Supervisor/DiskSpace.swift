import ArgumentParser
import Contract
import Glibc

/// Refuses to start on a disk that is about to be full: a registry or a database that runs out of space in the middle of a write
/// is harder to understand than a sentence at the start.
enum DiskSpace {
    /// The least free space of the state directory's disk, in bytes, unless told otherwise: the base image needs about half of it.
    static let fallback: Int64 = 256 << 20

    /// Throws when the disk of `directory` has less than `minimum` bytes free.
    static func require(_ minimum: Int64, at directory: String) throws {
        var status = statvfs()
        guard statvfs(directory, &status) == 0 else { return }
        let free = Int64(status.f_bavail) * Int64(status.f_frsize)
        guard free >= minimum else {
            throw StartError(
                "The disk of the state directory \(directory) has \(free >> 20) MiB free; Kiln needs \(minimum >> 20) MiB. Make "
                    + "room, choose another directory with --state-dir, or lower --min-free-disk.")
        }
    }

    /// The minimum from `text`; throws when that is not a number of bytes.
    static func minimum(_ text: String?) throws -> Int64 {
        guard let text else { return fallback }
        guard let bytes = Quantity.bytes(text) else {
            throw StartError("--min-free-disk cannot be '\(text)': use a number of bytes such as 256Mi.")
        }
        return bytes
    }
}

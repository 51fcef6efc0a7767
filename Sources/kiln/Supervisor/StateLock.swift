import FoundationEssentials
import Glibc

/// Holds the state directory for one supervisor: an advisory lock that the kernel drops when the process ends, however it ends.
struct StateLock: Sendable {
    private let descriptor: Int32

    /// Whether nobody holds the lock at `path`.
    static func isFree(_ path: String) -> Bool {
        let descriptor = open(path, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return true }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) == 0
    }

    init(_ path: String) throws {
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StartError("Cannot open \(path): \(String(cString: strerror(errno))).") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let holder = FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
            let pid = holder.split(whereSeparator: \.isWhitespace).first.map { " (pid \($0))" } ?? ""
            close(descriptor)
            throw StartError(
                "Another 'kiln up'\(pid) uses this state directory. Stop it, or give this one its own with --state-dir."
            )
        }
        ftruncate(descriptor, 0)
        let text = Array("\(getpid())\n".utf8)
        _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
    }
}

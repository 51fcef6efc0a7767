import FoundationEssentials
import Glibc

/// Reads files of the person at the keyboard; what fails is a sentence.
enum SourceFile {
    /// The bytes of the file at `path`.
    static func read(_ path: String) throws(ClientError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path) }
        defer { close(descriptor) }
        guard let bytes = readAll(descriptor) else { throw unreadable(path) }
        return bytes
    }

    /// Everything that `descriptor` gives; `nil` when reading fails.
    static func readAll(_ descriptor: Int32) -> [UInt8]? {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count == 0 { return bytes }
            if count > 0 {
                bytes += buffer[..<count]
            } else if errno != EINTR {
                return nil
            }
        }
    }

    /// Whether there is a directory at `path`; `nil` when there is nothing.
    static func isDirectory(_ path: String) -> Bool? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return status.st_mode & S_IFMT == S_IFDIR
    }

    static func unreadable(_ path: String) -> ClientError {
        let reason = errno
        return ClientError(
            reason == ENOENT ? .notFound : .failed, "\(path) cannot be read: \(String(cString: strerror(reason))).")
    }
}

import FoundationEssentials
import Glibc

/// Small files and directories, with their modes said.
enum DiskFile {
    /// The text in `path`, at most `limit` bytes of it; `nil` when it cannot be read.
    static func text(_ path: String, limit: Int = 1 << 20) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        while bytes.count < limit {
            let chunk = [UInt8](unsafeUninitializedCapacity: min(limit - bytes.count, 64 << 10)) { buffer, count in
                count = max(0, read(descriptor, buffer.baseAddress, buffer.count))
            }
            if chunk.isEmpty { break }
            bytes += chunk
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Makes `path` with `bytes`; a reader sees all or nothing of it.
    static func write(_ bytes: some Collection<UInt8>, to path: String, mode: mode_t = 0o600) throws(DeployerError) {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw .system("make \(temporary)", code: .state) }
        defer { close(descriptor) }
        try write(Array(bytes), to: descriptor, path: temporary)
        guard fchmod(descriptor, mode) == 0, rename(temporary, path) == 0 else {
            throw .system("write \(path)", code: .state)
        }
    }

    /// Writes `text` into the existing file `path`, as files of /proc and /sys want it: in one call.
    static func set(_ path: String, to text: String) throws(DeployerError) {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open \(path)") }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard bytes.withUnsafeBytes({ Glibc.write(descriptor, $0.baseAddress, $0.count) }) == bytes.count else {
            throw .system("write '\(text)' to \(path)")
        }
    }

    /// Makes the directory `path` unless it is there; the one above it must be.
    static func directory(_ path: String, mode: mode_t = 0o700) throws(DeployerError) {
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw .system("make \(path)", code: .state) }
        guard chmod(path, mode) == 0 else { throw .system("set the mode of \(path)", code: .state) }
    }

    /// The names in the directory `path`; none when it cannot be read.
    static func names(in path: String) -> [String] {
        guard let stream = opendir(path) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Whether there is anything at `path`; links are not followed.
    static func exists(_ path: String) -> Bool {
        var status = stat()
        return lstat(path, &status) == 0
    }

    /// Removes `path` and all below it; links are not followed.
    static func removeTree(_ path: String) { try? FileManager.default.removeItem(atPath: path) }

    private static func write(_ bytes: [UInt8], to descriptor: Int32, path: String) throws(DeployerError) {
        var offset = 0
        while offset < bytes.count {
            let count = bytes[offset...].withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw .system("write \(path)", code: .state) }
            offset += count
        }
    }
}

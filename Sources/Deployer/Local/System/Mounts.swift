import CLinux
import Glibc

/// Mounts in the Deployer's own mount namespace.
enum Mounts {
    /// Mounts a file system that lives in memory, bounded in bytes and entries, at `path`.
    static func memory(at path: String, bytes: Int, entries: Int) throws(DeployerError) {
        let flags = UInt(MS_NOSUID) | UInt(MS_NODEV) | UInt(MS_NOEXEC)
        let options = "size=\(bytes),nr_inodes=\(entries),mode=0711"
        guard mount("tmpfs", path, "tmpfs", flags, options) == 0 else { throw .system("mount a tmpfs at \(path)") }
    }

    /// Takes away every mount at or below `path`, the innermost first.
    static func removeAll(below path: String) {
        for point in points(below: path).reversed() { umount2(point, Int32(MNT_DETACH)) }
    }

    /// Where something is mounted at or below `path`, in the order of mounting.
    static func points(below path: String) -> [String] {
        guard let table = DiskFile.text("/proc/self/mountinfo", limit: 64 << 20) else { return [] }
        return points(below: path, in: table)
    }

    /// The same, in the text of a `/proc/<pid>/mountinfo` (proc(5)).
    static func points(below path: String, in table: String) -> [String] {
        table.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 5)
            guard fields.count == 6 else { return nil }
            let point = unescaped(fields[4])
            return point == path || point.hasPrefix(path + "/") ? point : nil
        }
    }

    /// The kernel writes space, tab, line feed and backslash as three octal digits after a backslash.
    private static func unescaped(_ text: Substring) -> String {
        guard text.contains("\\") else { return String(text) }
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), rest.count >= 3,
                let value = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8)
            {
                bytes.append(value)
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

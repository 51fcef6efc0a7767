import FoundationEssentials
import Glibc

/// A directory for what is too large for memory and is needed for a moment only.
///
/// A file in it loses its name as soon as it is made: the kernel frees it when nobody has it open any more, however the process ends. What a
/// process that was killed between the two calls has left is removed when the next one begins.
package struct SpoolDirectory: Sendable, Hashable {
    /// The directory.
    package let path: String

    /// The directory at `path`, which is made if it is missing. Several processes may share it.
    package init(_ path: String) throws(OCIError) {
        self.path = path
        do {
            try FileManager.default.createDirectory(
                atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            // Another process may have made one of them just now: it does without the name.
            for name in try FileManager.default.contentsOfDirectory(atPath: path) { unlink("\(path)/\(name)") }
        } catch {
            throw OCIError(.file, "The directory \(path) cannot be used.", cause: error)
        }
    }

    /// A new file without a name.
    func open() throws(OCIError) -> SpoolFile {
        let name = "\(path)/\(getpid())-\(UInt64.random(in: 0 ... .max))"
        let descriptor = Glibc.open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("\(path) takes no file") }
        let file = OpenFile(owning: descriptor, path: "a file in \(path)")
        // Another process that begins in this moment may have done so.
        guard unlink(name) == 0 || errno == ENOENT else { throw .system("\(name) cannot be removed") }
        return SpoolFile(file)
    }
}

/// An open file without a name, which is gone with its last user.
package final class SpoolFile: Sendable {
    private let file: OpenFile

    init(_ file: consuming OpenFile) { self.file = file }

    /// A path under which this process can open it.
    var path: String { "/proc/self/fd/\(file.descriptor)" }

    /// Writes all of `bytes` at `offset`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws(OCIError) {
        try file.write(bytes, at: offset)
    }

    /// Reads what is at `offset` into `buffer`; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(OCIError) -> Int {
        try file.read(into: buffer, at: offset)
    }

    /// The bytes of `range`; throws when the file ends before.
    func bytes(_ range: Range<Int>) throws(OCIError) -> [UInt8] { try file.bytes(range) }
}

/// A part of a ``SpoolFile``, which it keeps.
package struct SpooledBytes: Sendable, Hashable {
    let file: SpoolFile
    let range: Range<Int>

    /// Whether both are the same part of the same file.
    package static func == (left: SpooledBytes, right: SpooledBytes) -> Bool {
        left.file === right.file && left.range == right.range
    }

    /// Hashes what `==` compares.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(ObjectIdentifier(file))
        hasher.combine(range)
    }

    /// Reads from `offset` of the part into `buffer`; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(OCIError) -> Int {
        let rest = UnsafeMutableRawBufferPointer(rebasing: buffer.prefix(max(0, range.count - offset)))
        return rest.isEmpty ? 0 : try file.read(into: rest, at: range.lowerBound + offset)
    }
}

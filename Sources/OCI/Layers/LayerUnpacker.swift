package import Contract
import FoundationEssentials
import Glibc

/// Unpacks a layer into a directory of its own, trusting nothing in it.
///
/// A layer may come from anyone. No name leaves the directory: `..`, absolute names and names that pass through a
/// symbolic link of the layer are refused, as are devices, pipes and hard links to anything but the layer's own files.
/// The compressed and the uncompressed digest are verified on the way; until the call returns, nothing in the directory
/// may be used.
package struct LayerUnpacker: Sendable {
    /// Who owns what is unpacked.
    package enum Ownership: Sendable, Hashable {
        /// The ids in the layer; needs privileges.
        case asArchived
        /// One owner for everything; needs privileges.
        case all(uid: UInt32, gid: UInt32)
        /// The process.
        case process
    }

    /// What becomes of a whiteout, an entry that hides a name of the layers below (OCI image-spec, layer.md).
    package enum Whiteouts: Sendable, Hashable {
        /// As overlayfs wants them: a character device 0/0, or `trusted.overlay.opaque`; needs privileges.
        case overlay
        /// The layer is refused.
        case refused
    }

    /// What a layer may cost.
    package struct Limits: Sendable, Hashable {
        /// Bytes of the uncompressed tar, and of all files together.
        package var bytes: Int
        /// Number of entries.
        package var entries: Int

        /// By default 4 GiB and 200,000 entries.
        package init(bytes: Int = 4 << 30, entries: Int = 200_000) {
            self.bytes = bytes
            self.entries = entries
        }
    }

    /// The owner of what is unpacked.
    package var ownership: Ownership
    /// What becomes of whiteouts.
    package var whiteouts: Whiteouts
    /// What a layer may cost.
    package var limits: Limits

    /// An unpacker.
    package init(ownership: Ownership, whiteouts: Whiteouts = .overlay, limits: Limits = Limits()) {
        self.ownership = ownership
        self.whiteouts = whiteouts
        self.limits = limits
    }

    /// Unpacks `blob` into `directory`, which must not exist: it is made with mode 0755, and removed again if anything
    /// fails.
    ///
    /// Gzipped and plain tar are understood, as `descriptor.mediaType` says. Modes are kept, 1777 included, as are
    /// modification times; extended attributes are not. Blocks until done. Nothing is synced: the caller does that
    /// before it renames the directory to a final name (`syncfs`).
    package func unpack(
        _ blob: BlobContent, descriptor: Descriptor, diffID: Digest, into directory: String
    ) throws(OCIError) {
        let stream = try TarStream(blob, descriptor, maximumSize: limits.bytes)
        guard mkdir(directory, 0o755) == 0 else { throw .system("\(directory) cannot be made") }
        do throws(OCIError) {
            try withUTF8Names { () throws(OCIError) in try unpack(stream, into: directory) }
            try stream.finish(diffID: diffID)
        } catch {
            try? FileManager.default.removeItem(atPath: directory)
            throw error
        }
    }

    private func unpack(_ stream: TarStream, into directory: String) throws(OCIError) {
        let owner = try owner(uid: 0, gid: 0, "/")
        var tree = try UnpackTree(directory, parentOwner: owner)
        try tree.makeDirectory([], .init(owner: owner, mode: 0o755, modified: UnpackTree.earliest))
        let reader = try ArchiveReader(stream)
        try reader.open()
        var count = 0
        var bytes = 0
        while let entry = try reader.next() {
            count += 1
            if case .file(let size) = entry.kind { bytes += min(size, Int.max - bytes) }
            guard count <= limits.entries, bytes <= limits.bytes else {
                throw OCIError(
                    .hostileLayer,
                    "The layer has more than \(limits.entries) entries or \(limits.bytes) bytes of files.")
            }
            try unpack(entry, from: reader, into: &tree)
        }
        try tree.finish()
    }

    private func unpack(
        _ entry: ArchiveReader.Entry, from reader: borrowing ArchiveReader, into tree: inout UnpackTree
    ) throws(OCIError) {
        let path = try parts(of: entry.path)
        if let name = path.last, name.hasPrefix(".wh.") { return try hide(String(name.dropFirst(4)), path, in: &tree) }
        let attributes = UnpackTree.Attributes(
            owner: try owner(uid: entry.uid, gid: entry.gid, entry.path), mode: entry.mode, modified: entry.modified)
        switch entry.kind {
        case .directory: try tree.makeDirectory(path, attributes)
        case .symlink(let target): try tree.makeSymlink(path, to: target, attributes)
        case .hardLink(let target): try tree.makeHardLink(path, to: try parts(of: target))
        case .file:
            try tree.makeFile(path, attributes) { (file) throws(OCIError) in
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 16)
                defer { buffer.deallocate() }
                while case let count = try reader.read(into: buffer), count > 0 {
                    try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                }
            }
        case .other: throw refusal(entry.path, "it is a device, a pipe or of an unknown kind")
        }
    }

    /// Handles the whiteout `.wh.<name>` at `path`.
    private func hide(_ name: String, _ path: [String], in tree: inout UnpackTree) throws(OCIError) {
        let text = path.joined(separator: "/")
        guard whiteouts == .overlay else { throw refusal(text, "it removes names of the layers below") }
        if name == ".wh..opq" { return try tree.makeOpaque(path.dropLast()) }
        guard !name.isEmpty, name != ".", name != "..", !name.hasPrefix(".wh.") else {
            throw refusal(text, "it is no whiteout known")
        }
        try tree.makeWhiteout(path.dropLast() + [name])
    }

    private func parts(of path: String) throws(OCIError) -> [String] {
        guard !path.hasPrefix("/") else { throw refusal(path, "it is absolute") }
        guard !path.isEmpty, path.utf8.count <= 4096 else { throw refusal(path, "a path has 1 to 4096 bytes") }
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard parts.allSatisfy({ $0 != ".." && $0.utf8.count <= 255 }) else {
            throw refusal(path, "it has '..' or a part of more than 255 bytes")
        }
        return parts.map(String.init)
    }

    private func owner(uid: Int, gid: Int, _ path: String) throws(OCIError) -> (uid: uid_t, gid: gid_t)? {
        switch ownership {
        case .process: return nil
        case .all(let uid, let gid): return (uid, gid)
        case .asArchived:
            // The largest value means "no change" to chown.
            guard (0..<Int(uid_t.max)).contains(uid), (0..<Int(gid_t.max)).contains(gid) else {
                throw refusal(path, "its owner is no user id")
            }
            return (uid_t(uid), gid_t(gid))
        }
    }

    private func refusal(_ path: String, _ why: String) -> OCIError {
        OCIError(.hostileLayer, "'\(path.prefix(300))' of the layer is refused: \(why).")
    }
}

/// One name in a layer.
package struct LayerEntry: Sendable, Hashable {
    /// What the name stands for.
    package enum Kind: Sendable, Hashable {
        /// A directory.
        case directory
        /// A regular file with this content.
        case file(BlobContent)
        /// A symbolic link. The target may be anything; it has a meaning only inside a container.
        case symlink(target: String)
    }

    /// The path without a leading or trailing `/`, e.g. `app/main.js`.
    package let path: String
    /// What it stands for.
    package let kind: Kind
    /// The permission bits with set-id and sticky bits, e.g. `0o1777`.
    package let mode: UInt16
    /// The owner's numeric id.
    package let uid: Int
    /// The group's numeric id.
    package let gid: Int

    /// The directory `path`.
    package static func directory(_ path: String, mode: UInt16 = 0o755, uid: Int = 0, gid: Int = 0) -> LayerEntry {
        LayerEntry(path: path, kind: .directory, mode: mode, uid: uid, gid: gid)
    }

    /// The file `path` with `bytes`.
    package static func file(
        _ path: String, _ bytes: [UInt8], mode: UInt16 = 0o644, uid: Int = 0, gid: Int = 0
    ) -> LayerEntry {
        .file(path, content: .bytes(bytes), mode: mode, uid: uid, gid: gid)
    }

    /// The file `path` with `content`.
    package static func file(
        _ path: String, content: BlobContent, mode: UInt16 = 0o644, uid: Int = 0, gid: Int = 0
    ) -> LayerEntry {
        LayerEntry(path: path, kind: .file(content), mode: mode, uid: uid, gid: gid)
    }

    /// The file `path` with the content of the file `source` on this machine.
    package static func file(
        _ path: String, copying source: String, mode: UInt16 = 0o644, uid: Int = 0, gid: Int = 0
    ) -> LayerEntry {
        LayerEntry(path: path, kind: .file(.file(source)), mode: mode, uid: uid, gid: gid)
    }

    /// The symbolic link `path` to `target`.
    package static func symlink(_ path: String, to target: String, uid: Int = 0, gid: Int = 0) -> LayerEntry {
        LayerEntry(path: path, kind: .symlink(target: target), mode: 0o777, uid: uid, gid: gid)
    }
}

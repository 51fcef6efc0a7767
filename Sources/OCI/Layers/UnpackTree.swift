import CArchive
import Glibc

/// A directory being filled by names from an untrusted source.
///
/// Every name is walked part by part from the root's descriptor, and no part may be a symbolic link (`O_NOFOLLOW`):
/// whatever the source makes inside, no later name leads outside. Directories are the process's own until ``finish()``,
/// so that what they are to look like in the end cannot get in the way of filling them.
struct UnpackTree {
    /// Owner, permissions and time of a name.
    struct Attributes {
        /// Owner and group; `nil` leaves the process's.
        var owner: (uid: uid_t, gid: gid_t)?
        var mode: mode_t
        var modified: timespec
    }

    /// The modification time of what the source gives none: that of everything baked here.
    static let earliest = timespec(tv_sec: 1, tv_nsec: 0)

    private let root: OpenDirectory
    private let parentOwner: (uid: uid_t, gid: gid_t)?
    private var parent: (path: [String], directory: OpenDirectory)
    private var directories: [[String]: Attributes] = [:]

    /// Fills the existing, empty directory `path`. Parents that the source does not name get `parentOwner` and mode
    /// 0755.
    init(_ path: String, parentOwner: (uid: uid_t, gid: gid_t)?) throws(OCIError) {
        root = OpenDirectory(try OpenFile(directory: path))
        self.parentOwner = parentOwner
        parent = ([], root)
    }

    /// Makes the directory `path`, or has it look like `attributes` if it is there.
    mutating func makeDirectory(_ path: [String], _ attributes: Attributes) throws(OCIError) {
        if let name = path.last { try makeDirectory(name, in: try descend(path.dropLast()), path) }
        directories[path] = attributes
    }

    /// Makes a new file `path`, replacing what is there, and lets `fill` write it.
    mutating func makeFile(
        _ path: [String], _ attributes: Attributes, fill: (borrowing OpenFile) throws(OCIError) -> Void
    ) throws(OCIError) {
        let (directory, name) = try clear(path)
        let descriptor = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw Self.failure(path, "cannot be made") }
        let file = OpenFile(owning: descriptor, path: path.joined(separator: "/"))
        try fill(file)
        try Self.apply(attributes, to: descriptor, path)
    }

    /// Makes the symbolic link `path`, replacing what is there.
    mutating func makeSymlink(_ path: [String], to target: String, _ attributes: Attributes) throws(OCIError) {
        let (directory, name) = try clear(path)
        guard symlinkat(target, directory, name) == 0 else { throw Self.failure(path, "cannot be made") }
        if let owner = attributes.owner, fchownat(directory, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0 {
            throw Self.failure(path, "cannot be given its owner")
        }
        let times = [attributes.modified, attributes.modified]
        guard utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) == 0 else {
            throw Self.failure(path, "cannot be dated")
        }
    }

    /// Makes `path` another name of `target`, which must be a regular file of this tree.
    mutating func makeHardLink(_ path: [String], to target: [String]) throws(OCIError) {
        guard let targetName = target.last else { throw Self.hostile(path, "it links to a directory") }
        // Its own descriptor: clearing the new name may move the walk's.
        let source = try Self.open(".", in: try descend(target.dropLast()), target)
        guard Self.type(of: targetName, in: source.descriptor) == FileType.regular else {
            throw Self.hostile(path, "it links to '\(target.joined(separator: "/"))', which is no file of this layer")
        }
        guard path != target else { return }
        let (directory, name) = try clear(path)
        guard linkat(source.descriptor, targetName, directory, name, 0) == 0 else {
            throw Self.failure(path, "cannot be linked")
        }
    }

    /// Marks that `path` of the layers below is gone, as overlayfs does: by a character device 0/0.
    mutating func makeWhiteout(_ path: [String]) throws(OCIError) {
        guard let name = path.last else { throw Self.hostile(path, "it removes the root") }
        let directory = try descend(path.dropLast())
        switch Self.type(of: name, in: directory) {
        case nil:
            guard mknodat(directory, name, FileType.characterDevice | 0o600, 0) == 0 else {
                throw Self.failure(path, "cannot be marked as removed")
            }
        // The layer has the name itself, which hides what is below; only directories would be merged.
        case FileType.directory?: try makeOpaque(path)
        default: break
        }
    }

    /// Marks that the directory `path` shows nothing of the layers below.
    mutating func makeOpaque(_ path: [String]) throws(OCIError) {
        guard fsetxattr(try descend(path[...]), "trusted.overlay.opaque", "y", 1, 0) == 0 else {
            throw Self.failure(path, "cannot be marked as opaque")
        }
    }

    /// Gives the directories their final look, the deepest first.
    mutating func finish() throws(OCIError) {
        for (path, attributes) in directories.sorted(by: { $0.key.count > $1.key.count }) {
            try Self.apply(attributes, to: try descend(path[...]), path)
        }
    }

    // MARK: The walk

    /// A descriptor of the directory `path`, valid until the next call. Missing parts are made.
    private mutating func descend(_ path: ArraySlice<String>) throws(OCIError) -> Int32 {
        if parent.path.elementsEqual(path) { return parent.directory.file.descriptor }
        var directory = OpenDirectory(try Self.open(".", in: root.file.descriptor, []))
        var walked: [String] = []
        for part in path {
            walked.append(part)
            if Self.type(of: part, in: directory.file.descriptor) == nil {
                try makeDirectory(part, in: directory.file.descriptor, walked)
                directories[walked] = Attributes(owner: parentOwner, mode: 0o755, modified: Self.earliest)
            }
            directory = OpenDirectory(try Self.open(part, in: directory.file.descriptor, walked))
        }
        parent = (walked, directory)
        return directory.file.descriptor
    }

    private static func open(_ name: String, in directory: Int32, _ path: [String]) throws(OCIError) -> OpenFile {
        let descriptor = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw errno == ELOOP || errno == ENOTDIR
                ? hostile(path, "it is used as a directory and is none") : failure(path, "cannot be opened")
        }
        return OpenFile(owning: descriptor, path: path.joined(separator: "/"))
    }

    private func makeDirectory(_ name: String, in directory: Int32, _ path: [String]) throws(OCIError) {
        let former = Self.type(of: name, in: directory)
        if former == FileType.directory { return }
        if former != nil, unlinkat(directory, name, 0) != 0 { throw Self.failure(path, "cannot be replaced") }
        guard mkdirat(directory, name, 0o700) == 0 else { throw Self.failure(path, "cannot be made") }
        // It was removed from the layers below before it was made again: nothing of them may show.
        if former == FileType.characterDevice {
            let made = try Self.open(name, in: directory, path)
            guard fsetxattr(made.descriptor, "trusted.overlay.opaque", "y", 1, 0) == 0 else {
                throw Self.failure(path, "cannot be marked as opaque")
            }
        }
    }

    /// Removes what is at `path`, if it is no full directory, and returns where the name belongs.
    private mutating func clear(_ path: [String]) throws(OCIError) -> (directory: Int32, name: String) {
        guard let name = path.last else { throw Self.hostile(path, "it replaces the root") }
        let directory = try descend(path.dropLast())
        if let type = Self.type(of: name, in: directory) {
            let isDirectory = type == FileType.directory
            guard unlinkat(directory, name, isDirectory ? AT_REMOVEDIR : 0) == 0 else {
                throw errno == ENOTEMPTY || errno == EEXIST
                    ? Self.hostile(path, "it replaces a directory that is not empty")
                    : Self.failure(path, "cannot replace what has that name")
            }
            if isDirectory { directories[path] = nil }
        }
        return (directory, name)
    }

    private static func type(of name: String, in directory: Int32) -> mode_t? {
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        return status.st_mode & FileType.mask
    }

    private static func apply(_ attributes: Attributes, to descriptor: Int32, _ path: [String]) throws(OCIError) {
        if let owner = attributes.owner, fchown(descriptor, owner.uid, owner.gid) != 0 {
            throw failure(path, "cannot be given its owner")
        }
        // After the owner: changing that clears the set-id bits.
        guard fchmod(descriptor, attributes.mode & 0o7777) == 0 else { throw failure(path, "cannot be given its mode") }
        guard futimens(descriptor, [attributes.modified, attributes.modified]) == 0 else {
            throw failure(path, "cannot be dated")
        }
    }

    private static func failure(_ path: [String], _ what: String) -> OCIError {
        .system("'\(path.joined(separator: "/"))' of the layer \(what)")
    }

    private static func hostile(_ path: [String], _ why: String) -> OCIError {
        OCIError(.hostileLayer, "'\(path.joined(separator: "/").prefix(300))' of the layer is refused: \(why).")
    }
}

/// An open directory with several owners.
private final class OpenDirectory {
    let file: OpenFile
    init(_ file: consuming OpenFile) { self.file = file }
}

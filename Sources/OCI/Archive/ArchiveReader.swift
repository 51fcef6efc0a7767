import CArchive
import Glibc

/// Reads a tar (ustar, pax, GNU) entry by entry.
struct ArchiveReader: ~Copyable {
    /// One entry as the archive tells of it: nothing in it is to be trusted.
    struct Entry {
        /// What the entry makes.
        enum Kind: Equatable {
            case directory
            case file(size: Int)
            case symlink(target: String)
            case hardLink(target: String)
            case other
        }

        let path: String
        let kind: Kind
        /// Permission bits with set-id and sticky bits.
        let mode: mode_t
        let uid: Int
        let gid: Int
        let modified: timespec
        /// Whether the archive leaves out holes of the file.
        let isSparse: Bool
    }

    /// Carries the stream into libarchive's callback, and its error out of it.
    fileprivate final class Input {
        let stream: TarStream
        var failure: OCIError?
        init(_ stream: TarStream) { self.stream = stream }
    }

    private let archive: OpaquePointer
    private let input: Input

    init(_ stream: TarStream) throws(OCIError) {
        guard let archive = archive_read_new() else { throw OCIError(.library, "libarchive has no memory.") }
        self.archive = archive
        input = Input(stream)
    }

    deinit { archive_read_free(archive) }

    /// Begins to read.
    func open() throws(OCIError) {
        try check(archive_read_support_format_tar(archive))
        try check(archive_read_open(archive, Unmanaged.passUnretained(input).toOpaque(), nil, tarWanted, nil))
    }

    /// The next entry; `nil` at the end.
    func next() throws(OCIError) -> Entry? {
        var entry: OpaquePointer?
        let code = archive_read_next_header(archive, &entry)
        if code == ARCHIVE_EOF { return nil }
        // A warning is about something that would be lost in unpacking, such as a name that is no UTF-8.
        guard code == ARCHIVE_OK, let entry, let name = archive_entry_pathname(entry),
            let path = String(validatingCString: name)
        else { throw failure("has an entry that cannot be read") }
        return Entry(
            path: path, kind: try kind(entry, path), mode: archive_entry_perm(entry),
            uid: Int(archive_entry_uid(entry)),
            gid: Int(archive_entry_gid(entry)),
            modified: timespec(tv_sec: archive_entry_mtime(entry), tv_nsec: archive_entry_mtime_nsec(entry)),
            isSparse: archive_entry_sparse_count(entry) > 0)
    }

    /// Reads the current file's next bytes into `buffer`; 0 at the end. Holes are filled with zeros.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(OCIError) -> Int {
        let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
        guard count >= 0 else { throw failure("is cut off or damaged") }
        return count
    }

    private func kind(_ entry: OpaquePointer, _ path: String) throws(OCIError) -> Entry.Kind {
        if let target = archive_entry_hardlink(entry) { return .hardLink(target: try text(target, path)) }
        switch archive_entry_filetype(entry) {
        case FileType.directory: return .directory
        case FileType.regular:
            let size = archive_entry_size(entry)
            guard size >= 0 else { throw failure("has a file of negative size") }
            return .file(size: Int(size))
        case FileType.symlink:
            guard let target = archive_entry_symlink(entry) else { throw failure("has a link to nowhere") }
            return .symlink(target: try text(target, path))
        default: return .other
        }
    }

    private func text(_ text: UnsafePointer<CChar>, _ path: String) throws(OCIError) -> String {
        guard let text = String(validatingCString: text) else {
            throw OCIError(.hostileLayer, "The link \(path) has a target that is no UTF-8.")
        }
        return text
    }

    private func check(_ code: Int32) throws(OCIError) {
        guard code == ARCHIVE_OK else { throw failure("cannot be read") }
    }

    private func failure(_ what: String) -> OCIError {
        if let failure = input.failure { return failure }
        return OCIError(.malformed, "The tar \(what): \(archiveMessage(archive)).")
    }
}

private func tarWanted(
    _ archive: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ bytes: UnsafeMutablePointer<UnsafeRawPointer?>?
) -> la_ssize_t {
    guard let context, let bytes else { return la_ssize_t(ARCHIVE_FATAL) }
    let input = Unmanaged<ArchiveReader.Input>.fromOpaque(context).takeUnretainedValue()
    do throws(OCIError) {
        let piece = try input.stream.next()
        bytes.pointee = piece.baseAddress
        return la_ssize_t(piece.count)
    } catch {
        input.failure = error
        return la_ssize_t(ARCHIVE_FATAL)
    }
}

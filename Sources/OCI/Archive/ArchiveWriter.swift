import CArchive
import Glibc

/// Writes a tar that depends on nothing but its entries: numeric owners, the modification time 1, and only as much of
/// pax as a name needs.
struct ArchiveWriter: ~Copyable {
    /// Where the tar goes, in pieces.
    typealias Sink = (UnsafeRawBufferPointer) throws(OCIError) -> Void

    /// What libarchive has written and the sink has not got yet.
    fileprivate final class Pending {
        var bytes: [UInt8] = []
    }

    private static let pieceSize = 64 << 10
    private let archive: OpaquePointer
    private let entry: OpaquePointer
    private let pending = Pending()

    /// Writes `plan` as one tar into `sink`.
    static func write(_ plan: LayerPlan, to sink: Sink) throws(OCIError) {
        try withUTF8Names { () throws(OCIError) in
            let writer = try ArchiveWriter()
            try writer.open()
            for entry in plan.entries { try writer.write(entry, to: sink) }
            try writer.check(archive_write_close(writer.archive))
            try writer.drain(to: sink)
        }
    }

    private init() throws(OCIError) {
        guard let archive = archive_write_new(), let entry = archive_entry_new() else {
            throw OCIError(.library, "libarchive has no memory.")
        }
        self.archive = archive
        self.entry = entry
    }

    deinit {
        archive_entry_free(entry)
        archive_write_free(archive)
    }

    private func open() throws(OCIError) {
        try check(archive_write_set_format_pax_restricted(archive))
        // Nothing is gathered into blocks, so the tar ends right after its two empty records.
        try check(archive_write_set_bytes_per_block(archive, 0))
        try check(archive_write_set_bytes_in_last_block(archive, 1))
        try check(archive_write_open(archive, Unmanaged.passUnretained(pending).toOpaque(), nil, tarWritten, nil))
    }

    private func write(_ item: LayerEntry, to sink: Sink) throws(OCIError) {
        archive_entry_clear(entry)
        archive_entry_copy_pathname(entry, item.path)
        archive_entry_set_perm(entry, mode_t(item.mode))
        archive_entry_set_uid(entry, la_int64_t(item.uid))
        archive_entry_set_gid(entry, la_int64_t(item.gid))
        archive_entry_set_mtime(entry, 1, 0)
        switch item.kind {
        case .directory:
            archive_entry_set_filetype(entry, FileType.directory)
            try check(archive_write_header(archive, entry))
        case .symlink(let target):
            archive_entry_set_filetype(entry, FileType.symlink)
            archive_entry_copy_symlink(entry, target)
            try check(archive_write_header(archive, entry))
        case .file(.spooled(let bytes)):
            try beginFile(size: bytes.range.count)
            try BlobContent.spooled(bytes).forEachBlock { (block) throws(OCIError) in try write(block, to: sink) }
        case .file(.bytes(let bytes)):
            try beginFile(size: bytes.count)
            try bytes.withRawBytes { (bytes) throws(OCIError) in try write(bytes, to: sink) }
        case .file(.file(let path)):
            let file = try OpenFile(reading: path)
            let size = try file.size()
            try beginFile(size: size)
            let count = try file.forEachBlock { (block) throws(OCIError) in try write(block, to: sink) }
            guard count == size else { throw OCIError(.file, "\(path) changed while it was put into a layer.") }
        }
        try check(archive_write_finish_entry(archive))
        if pending.bytes.count >= Self.pieceSize { try drain(to: sink) }
    }

    private func beginFile(size: Int) throws(OCIError) {
        archive_entry_set_filetype(entry, FileType.regular)
        archive_entry_set_size(entry, la_int64_t(size))
        try check(archive_write_header(archive, entry))
    }

    private func write(_ bytes: UnsafeRawBufferPointer, to sink: Sink) throws(OCIError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(Self.pieceSize))
            rest = rest.dropFirst(piece.count)
            guard archive_write_data(archive, piece.baseAddress, piece.count) == piece.count else { throw failure() }
            if pending.bytes.count >= Self.pieceSize { try drain(to: sink) }
        }
    }

    private func drain(to sink: Sink) throws(OCIError) {
        try pending.bytes.withRawBytes { (bytes) throws(OCIError) in try sink(bytes) }
        pending.bytes.removeAll(keepingCapacity: true)
    }

    private func check(_ code: Int32) throws(OCIError) {
        guard code == ARCHIVE_OK else { throw failure() }
    }

    private func failure() -> OCIError {
        OCIError(.library, "A tar could not be written: \(archiveMessage(archive)).")
    }
}

/// libarchive's message for its last failure, which may be missing.
func archiveMessage(_ archive: OpaquePointer) -> String {
    archive_error_string(archive).map { String(cString: $0) } ?? "libarchive says no more"
}

/// File types as `st_mode` has them. The C names are declared by both libarchive and the C library.
enum FileType {
    static let mask: mode_t = 0o170000
    static let regular: mode_t = 0o100000
    static let directory: mode_t = 0o040000
    static let symlink: mode_t = 0o120000
    static let characterDevice: mode_t = 0o020000
}

private func tarWritten(
    _ archive: OpaquePointer?, _ context: UnsafeMutableRawPointer?, _ bytes: UnsafeRawPointer?, _ count: Int
) -> la_ssize_t {
    guard let context else { return la_ssize_t(ARCHIVE_FATAL) }
    let pending = Unmanaged<ArchiveWriter.Pending>.fromOpaque(context).takeUnretainedValue()
    pending.bytes.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
    return la_ssize_t(count)
}

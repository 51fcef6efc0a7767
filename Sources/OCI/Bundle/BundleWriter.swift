import CArchive
package import Contract
import Glibc

/// Writes a tar file that is an OCI image layout (OCI image-spec, image-layout.md) with further files in it. Its last entry `SHA256SUMS`
/// names every other one with its digest, as sha256sum(1) writes it: a file that was cut off or changed is found out before it is used.
package struct BundleWriter: ~Copyable {
    private let archive: OpaquePointer
    private let entry: OpaquePointer
    private let file: OpenFile
    private let path: String
    private var sums = ""
    private var written: Set<Digest> = []

    /// Begins the file `path` with mode 0600; throws if there is one.
    package static func create(_ path: String) throws(OCIError) -> BundleWriter {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("\(path) cannot be made") }
        guard let archive = archive_write_new(), let entry = archive_entry_new() else {
            close(descriptor)
            throw OCIError(.library, "libarchive has no memory.")
        }
        var writer = BundleWriter(archive, entry, OpenFile(owning: descriptor, path: path), path)
        try writer.begin(on: descriptor)
        return writer
    }

    private init(_ archive: OpaquePointer, _ entry: OpaquePointer, _ file: consuming OpenFile, _ path: String) {
        self.archive = archive
        self.entry = entry
        self.file = file
        self.path = path
    }

    private mutating func begin(on descriptor: Int32) throws(OCIError) {
        guard archive_write_set_format_pax_restricted(archive) == ARCHIVE_OK,
            archive_write_open_fd(archive, descriptor) == ARCHIVE_OK
        else { throw failure() }
        try add("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8))
    }

    deinit {
        archive_entry_free(entry)
        archive_write_free(archive)
    }

    /// Adds the small file `name`.
    package mutating func add(_ name: String, _ bytes: [UInt8]) throws(OCIError) {
        try begin(name, size: bytes.count)
        try bytes.withRawBytes { (bytes) throws(OCIError) in try write(bytes) }
        sums += "\(ContentHash.digest(of: bytes).hex)  \(name)\n"
    }

    /// Adds `bytes` as a blob, unless it has that.
    package mutating func add(blob bytes: [UInt8]) throws(OCIError) {
        let digest = ContentHash.digest(of: bytes)
        guard written.insert(digest).inserted else { return }
        try add("blobs/sha256/\(digest.hex)", bytes)
    }

    /// Whether the blob was added.
    package func contains(_ digest: Digest) -> Bool { written.contains(digest) }

    /// Adds the file at `source` as the blob `digest`; throws `mismatch` if it is another one.
    package mutating func add(_ digest: Digest, from source: String) throws(OCIError) {
        guard written.insert(digest).inserted else { return }
        let blob = try OpenFile(reading: source)
        let size = try blob.size()
        try begin("blobs/sha256/\(digest.hex)", size: size)
        var hash = ContentHash()
        let count = try blob.forEachBlock { (block) throws(OCIError) in
            hash.update(block)
            try write(block)
        }
        try Descriptor(mediaType: .layerTar, digest: digest, size: size).verify(digest: hash.digest(), size: count)
        sums += "\(digest.hex)  blobs/sha256/\(digest.hex)\n"
    }

    /// Writes the digests, and has everything on disk.
    package consuming func finish() throws(OCIError) {
        let bytes = Array(sums.utf8)
        try begin(BundleReader.sums, size: bytes.count)
        try bytes.withRawBytes { (bytes) throws(OCIError) in try write(bytes) }
        guard archive_write_close(archive) == ARCHIVE_OK else { throw failure() }
        try file.sync()
    }

    private func begin(_ name: String, size: Int) throws(OCIError) {
        archive_entry_clear(entry)
        archive_entry_copy_pathname(entry, name)
        archive_entry_set_filetype(entry, FileType.regular)
        archive_entry_set_perm(entry, 0o600)
        archive_entry_set_size(entry, la_int64_t(size))
        archive_entry_set_mtime(entry, 1, 0)
        guard archive_write_header(archive, entry) == ARCHIVE_OK else { throw failure() }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(OCIError) {
        guard archive_write_data(archive, bytes.baseAddress, bytes.count) == la_ssize_t(bytes.count) else {
            throw failure()
        }
    }

    private func failure() -> OCIError { OCIError(.file, "\(path) cannot be written: \(archiveMessage(archive)).") }
}

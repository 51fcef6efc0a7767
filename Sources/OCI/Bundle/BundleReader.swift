import CArchive
internal import Contract
import Glibc

/// Reads what ``BundleWriter`` wrote, and believes nothing: every entry is verified against `SHA256SUMS`, blobs against their names too.
package enum BundleReader {
    static let sums = "SHA256SUMS"
    /// Most bytes of a file that is no blob.
    private static let smallLimit = 256 << 20

    /// Takes the bundle at `path` apart: blobs go into `cache`, the other files are returned by name. Throws `malformed` or `mismatch`
    /// when the bundle is damaged or cut off.
    package static func read(_ path: String, into cache: BlobCache) throws(OCIError) -> [String: [UInt8]] {
        guard let archive = archive_read_new() else { throw OCIError(.library, "libarchive has no memory.") }
        defer { archive_read_free(archive) }
        let file = try OpenFile(reading: path)
        guard archive_read_support_format_tar(archive) == ARCHIVE_OK,
            archive_read_open_fd(archive, file.descriptor, 1 << 16) == ARCHIVE_OK
        else { throw damaged(path, archiveMessage(archive)) }
        var files: [String: [UInt8]] = [:]
        var digests: [String: Digest] = [:]
        var entry: OpaquePointer?
        while true {
            let code = archive_read_next_header(archive, &entry)
            if code == ARCHIVE_EOF { break }
            guard code == ARCHIVE_OK, let entry, let text = archive_entry_pathname(entry),
                let name = String(validatingCString: text), archive_entry_filetype(entry) == FileType.regular
            else { throw damaged(path, "it has an entry that does not belong in it") }
            guard digests[name] == nil else { throw damaged(path, "it has \(name) twice") }
            if name.hasPrefix("blobs/sha256/") {
                digests[name] = try readBlob(archive, name, into: cache, path)
            } else {
                let bytes = try readFile(archive, name, path)
                files[name] = bytes
                digests[name] = ContentHash.digest(of: bytes)
            }
        }
        try verify(files, digests, path)
        return files
    }

    private static func readBlob(
        _ archive: OpaquePointer, _ name: String, into cache: BlobCache, _ path: String
    ) throws(OCIError) -> Digest {
        var writer = try BlobWriter(cache)
        try forEachBlock(of: archive, path) { (block) throws(OCIError) in try writer.append(block) }
        let digest = try writer.commit()
        guard name == "blobs/sha256/\(digest.hex)" else { throw damaged(path, "\(name) has the digest \(digest)") }
        return digest
    }

    private static func readFile(_ archive: OpaquePointer, _ name: String, _ path: String) throws(OCIError) -> [UInt8] {
        var bytes: [UInt8] = []
        try forEachBlock(of: archive, path) { (block) throws(OCIError) in
            guard bytes.count + block.count <= smallLimit else { throw damaged(path, "\(name) is too large") }
            bytes.append(contentsOf: block)
        }
        return bytes
    }

    private static func forEachBlock(
        of archive: OpaquePointer, _ path: String, _ body: (UnsafeRawBufferPointer) throws(OCIError) -> Void
    ) throws(OCIError) {
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw damaged(path, archiveMessage(archive)) }
            if count == 0 { return }
            try Array(buffer[..<Int(count)]).withRawBytes { (bytes) throws(OCIError) in try body(bytes) }
        }
    }

    /// Every entry is in the list, and every line of the list has its entry.
    private static func verify(_ files: [String: [UInt8]], _ digests: [String: Digest], _ path: String) throws(OCIError)
    {
        guard let list = files[sums] else { throw damaged(path, "its end is missing") }
        var expected: [String: String] = [:]
        for line in String(decoding: list, as: UTF8.self).split(separator: "\n") {
            guard line.count > 66 else { throw damaged(path, "its list of digests cannot be read") }
            expected[String(line.dropFirst(66))] = String(line.prefix(64))
        }
        for (name, digest) in digests where name != sums && expected[name] != digest.hex {
            throw damaged(path, "\(name) is not what was put in")
        }
        guard expected.count == digests.count - 1 else { throw damaged(path, "something is missing in it") }
    }

    private static func damaged(_ path: String, _ reason: String) -> OCIError {
        OCIError(.malformed, "The archive \(path) is damaged or is none of Kiln's: \(reason). Nothing was changed.")
    }
}

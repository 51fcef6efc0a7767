package import Contract
import FoundationEssentials
import Glibc

/// A directory of blobs by digest: `blobs/sha256/<hex>`, as in an OCI image layout. Several processes may share it.
///
/// A blob appears under its name only when it is complete, verified and synced, and never changes afterwards.
package struct BlobCache: Sendable {
    /// The directory.
    package let directory: String

    /// The cache in `directory`, which is made if it is missing. What a crash left half-written more than a day ago is
    /// removed.
    package init(directory: String) throws(OCIError) {
        self.directory = directory
        do {
            for part in ["/blobs/sha256", "/partial"] {
                try FileManager.default.createDirectory(atPath: directory + part, withIntermediateDirectories: true)
            }
        } catch {
            throw OCIError(.file, "The blob cache \(directory) cannot be made.", cause: error)
        }
        removeAbandoned()
    }

    /// The path of the blob, whether or not it is there.
    package func path(of digest: Digest) -> String { blobs + "/" + digest.hex }

    /// Whether the blob is there.
    package func contains(_ digest: Digest) -> Bool { access(path(of: digest), F_OK) == 0 }

    /// The blob's bytes, verified again; throws `notFound`, `mismatch`, and `tooLarge` above `limit` bytes.
    package func read(_ digest: Digest, limit: Int) throws(OCIError) -> [UInt8] {
        let file = try OpenFile(reading: path(of: digest))
        let size = try file.size()
        guard size <= limit else {
            throw OCIError(.tooLarge, "The blob \(digest) has \(size) bytes; at most \(limit) are read.")
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(size)
        _ = try file.forEachBlock { bytes.append(contentsOf: $0) }
        try Descriptor(mediaType: .layerTar, digest: digest, size: size)
            .verify(digest: ContentHash.digest(of: bytes), size: bytes.count)
        return bytes
    }

    /// Stores `bytes` and returns their digest.
    @discardableResult
    package func insert(_ bytes: [UInt8]) throws(OCIError) -> Digest {
        let digest = ContentHash.digest(of: bytes)
        if contains(digest) { return digest }
        var writer = try BlobWriter(self)
        try bytes.withRawBytes { (bytes) throws(OCIError) in try writer.append(bytes) }
        return try writer.commit()
    }

    /// Removes the blob if it is there.
    package func remove(_ digest: Digest) throws(OCIError) {
        guard unlink(path(of: digest)) == 0 || errno == ENOENT else {
            throw .system("\(path(of: digest)) cannot be removed")
        }
    }

    private var blobs: String { directory + "/blobs/sha256" }
    private var partial: String { directory + "/partial" }

    /// A name nobody else writes to.
    func temporaryPath() -> String { "\(partial)/\(getpid())-\(UInt64.random(in: 0 ... .max))" }

    /// Makes a rename survive a crash.
    func syncDirectory() throws(OCIError) { try OpenFile(reading: blobs).sync() }

    private func removeAbandoned() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: partial)) ?? [] {
            let path = partial + "/" + name
            let attributes = try? FileManager.default.attributesOfItem(atPath: path)
            if let modified = attributes?[.modificationDate] as? Date, modified.timeIntervalSinceNow < -86_400 {
                unlink(path)
            }
        }
    }
}

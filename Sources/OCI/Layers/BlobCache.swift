package import Contract

/// A directory of blobs by digest: `blobs/sha256/<hex>`, as in an OCI image layout. Several processes may share it.
///
/// A blob appears under its name only when it is complete, verified and synced, and never changes afterwards.
package struct BlobCache: Sendable {
    /// The directory.
    package let directory: String

    /// The cache in `directory`, which is made if it is missing.
    package init(directory: String) throws(OCIError) {
        throw OCIError(.unsupported, "The cache is not built yet.")
    }

    /// The path of the blob, whether or not it is there.
    package func path(of digest: Digest) -> String { directory + "/blobs/sha256/" + digest.hex }

    /// Whether the blob is there.
    package func contains(_ digest: Digest) -> Bool { false }

    /// The blob's bytes, verified again; throws `notFound`, `mismatch`, and `tooLarge` above `limit` bytes.
    package func read(_ digest: Digest, limit: Int) throws(OCIError) -> [UInt8] {
        throw OCIError(.unsupported, "The cache is not built yet.")
    }

    /// Stores `bytes` and returns their digest.
    @discardableResult
    package func insert(_ bytes: [UInt8]) throws(OCIError) -> Digest {
        throw OCIError(.unsupported, "The cache is not built yet.")
    }

    /// Removes the blob if it is there.
    package func remove(_ digest: Digest) throws(OCIError) {}
}

package import Contract

/// A finished layer: its gzipped bytes, and both of its digests.
package struct Layer: Sendable, Hashable {
    /// Type, digest and size of the gzipped tar.
    package let descriptor: Descriptor
    /// The digest of the tar itself.
    package let diffID: Digest
    /// The gzipped tar.
    package let content: BlobContent

    /// How hard to compress.
    package enum Compression: Int32, Sendable {
        /// zlib level 1: for large layers that are written once.
        case fast = 1
        /// zlib level 6: for small layers.
        case balanced = 6
    }

    /// A layer made before, as a cache remembers it.
    package init(descriptor: Descriptor, diffID: Digest, content: BlobContent) {
        self.descriptor = descriptor
        self.diffID = diffID
        self.content = content
    }

    /// Makes a layer of `entries` in memory.
    ///
    /// The same entries give the same bytes: on every machine, in every time zone, locale and order. Each entry's parent
    /// directory must be among the entries, with its mode, because an entry for a directory replaces what lower layers say of it
    /// and an unpacker would otherwise make up a mode. Throws `invalidEntry` for names that are absolute, have `..` or start
    /// with `.wh.`, for duplicates and for missing parents.
    package init(_ entries: [LayerEntry], compression: Compression = .balanced) throws(OCIError) {
        throw OCIError(.unsupported, "Layers are not built yet.")
    }

    /// Makes a layer of `entries` as a file in `cache`, in one pass and constant memory. Blocks for as long as compressing takes.
    package init(
        _ entries: [LayerEntry], in cache: BlobCache, compression: Compression = .fast
    ) throws(OCIError) {
        throw OCIError(.unsupported, "Layers are not built yet.")
    }
}

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
    /// The same entries give the same bytes: on every machine, in every time zone, locale and order. Each entry's
    /// parent directory must be among the entries, with its mode, because an entry for a directory replaces what lower
    /// layers say of it and an unpacker would otherwise make up a mode. Throws `invalidEntry` for names that are
    /// absolute, have `..` or start with `.wh.`, for duplicates and for missing parents.
    package init(_ entries: [LayerEntry], compression: Compression = .balanced) throws(OCIError) {
        var bytes: [UInt8] = []
        var hash = ContentHash()
        let diffID = try Self.write(entries, compression) { piece in
            hash.update(piece)
            bytes.append(contentsOf: piece)
        }
        self.init(
            descriptor: Descriptor(
                mediaType: .layerGzip, digest: hash.digest(), size: bytes.count),
            diffID: diffID, content: .bytes(bytes))
    }

    /// Makes a layer of `entries` as a file in `cache`, in one pass and constant memory. Blocks for as long as
    /// compressing takes.
    package init(
        _ entries: [LayerEntry], in cache: BlobCache, compression: Compression = .fast
    ) throws(OCIError) {
        var writer = try BlobWriter(cache)
        let diffID = try Self.write(entries, compression) { (piece) throws(OCIError) in try writer.append(piece) }
        let size = writer.size
        let digest = try writer.commit()
        self.init(
            descriptor: Descriptor(mediaType: .layerGzip, digest: digest, size: size), diffID: diffID,
            content: .file(cache.path(of: digest)))
    }

    /// One pass: entries → tar → SHA-256, and → gzip → `sink`. Returns the digest of the tar.
    private static func write(
        _ entries: [LayerEntry], _ compression: Compression, to sink: Deflater.Sink
    ) throws(OCIError) -> Digest {
        let plan = try LayerPlan(entries)
        var hash = ContentHash()
        let deflater = try Deflater(level: compression.rawValue)
        try ArchiveWriter.write(plan) { (piece) throws(OCIError) in
            hash.update(piece)
            try deflater.write(piece, to: sink)
        }
        try deflater.finish(to: sink)
        return hash.digest()
    }
}

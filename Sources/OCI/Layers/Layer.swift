package import Contract
internal import Dispatch

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

    /// How the tar becomes gzip. The tar is the same in any case.
    package enum Framing: Sendable, Hashable {
        /// A large layer in pieces on several threads, a small one as a whole; what decides is ``Layer/small`` alone.
        case bySize
        /// As a whole, on one thread, as all layers were made once.
        case whole
    }

    /// Bytes of content below which a layer is compressed as a whole. Digests of layers depend on it.
    package static let small = 4 << 20

    /// Makes a layer of `entries` in memory, or, when it has more than 1 MiB, in a file in `spool` if there is that.
    ///
    /// The same entries give the same bytes: on every machine, in every time zone, locale and order, on any number of threads. Each entry's
    /// parent directory must be among the entries, with its mode, because an entry for a directory replaces what lower
    /// layers say of it and an unpacker would otherwise make up a mode. Throws `invalidEntry` for names that are
    /// absolute, have `..` or start with `.wh.`, for duplicates and for missing parents.
    package init(
        _ entries: [LayerEntry], compression: Compression = .balanced, spool: SpoolDirectory? = nil,
        framing: Framing = .bySize
    ) throws(OCIError) {
        var writer = SpoolWriter(spool, memory: 1 << 20)
        var hash = ContentHash()
        let diffID = try Self.write(entries, compression, framing) { (piece) throws(OCIError) in
            hash.update(piece)
            try writer.append(piece)
        }
        let size = writer.count
        self.init(
            descriptor: Descriptor(mediaType: .layerGzip, digest: hash.digest(), size: size),
            diffID: diffID, content: writer.take())
    }

    /// Makes a layer of `entries` as a file in `cache`, in one pass and constant memory. Blocks for as long as
    /// compressing takes.
    package init(
        _ entries: [LayerEntry], in cache: BlobCache, compression: Compression = .fast
    ) throws(OCIError) {
        var writer = try BlobWriter(cache)
        let diffID = try Self.write(entries, compression, .bySize) { (piece) throws(OCIError) in
            try writer.append(piece)
        }
        let size = writer.size
        let digest = try writer.commit()
        self.init(
            descriptor: Descriptor(mediaType: .layerGzip, digest: digest, size: size), diffID: diffID,
            content: .file(cache.path(of: digest)))
    }

    /// The same as ``init(_:compression:spool:framing:)``, and large layers do not keep a thread that tasks run on from others.
    @concurrent
    package static func make(
        _ entries: [LayerEntry], spool: SpoolDirectory?, framing: Framing = .bySize
    ) async throws(OCIError) -> Layer {
        guard try isLarge(entries) else {
            return try Layer(entries, spool: spool, framing: framing)
        }
        let made: Result<Layer, OCIError> = await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                continuation.resume(
                    returning: Result { () throws(OCIError) in
                        try Layer(entries, spool: spool, framing: framing)
                    })
            }
        }
        return try made.get()
    }

    /// One pass: entries → tar → SHA-256, and → gzip → `sink`. Returns the digest of the tar.
    private static func write(
        _ entries: [LayerEntry], _ compression: Compression, _ framing: Framing, to sink: Deflater.Sink
    ) throws(OCIError) -> Digest {
        let plan = try LayerPlan(entries)
        if framing == .bySize, try isLarge(entries) {
            return try write(plan, through: BlockDeflater(level: compression.rawValue), to: sink)
        }
        return try write(plan, through: try Deflater(level: compression.rawValue), to: sink)
    }

    private static func write<Compressor: GzipCompressor & ~Copyable>(
        _ plan: LayerPlan, through compressor: consuming Compressor, to sink: Deflater.Sink
    ) throws(OCIError) -> Digest {
        var compressor = compressor
        var hash = ContentHash()
        try ArchiveWriter.write(plan) { (piece) throws(OCIError) in
            hash.update(piece)
            try compressor.write(piece, to: sink)
        }
        try compressor.finish(to: sink)
        return hash.digest()
    }

    /// Whether the content of `entries` comes to ``small`` bytes or more. Looks at no more of them than it has to.
    private static func isLarge(_ entries: [LayerEntry]) throws(OCIError) -> Bool {
        var size = 0
        for entry in entries {
            guard case .file(let content) = entry.kind else { continue }
            size += try content.size
            if size >= small { return true }
        }
        return false
    }
}

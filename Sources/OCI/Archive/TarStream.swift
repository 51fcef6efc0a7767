internal import Contract

/// A layer's bytes on their way from the blob to the tar reader: counted, hashed compressed and uncompressed, and
/// limited.
final class TarStream {
    private enum Input: ~Copyable {
        case bytes([UInt8])
        case file(OpenFile)
        case spooled(SpooledBytes)
    }

    private static let pieceSize = 256 << 10
    private let input: Input
    /// What the blob must be; `nil` for one that nobody has described, which is not hashed either.
    private let descriptor: Descriptor?
    private let maximumSize: Int
    private var inflater: Inflater?
    private let compressed = UnsafeMutableRawBufferPointer.allocate(byteCount: TarStream.pieceSize, alignment: 16)
    private let plain = UnsafeMutableRawBufferPointer.allocate(byteCount: TarStream.pieceSize, alignment: 16)
    private var position = 0
    private var blobHash = ContentHash()
    private var tarHash = ContentHash()
    private var tarSize = 0

    /// The layer in `content`, as `descriptor` describes it, of at most `maximumSize` bytes when unpacked.
    convenience init(_ content: BlobContent, _ descriptor: Descriptor, maximumSize: Int) throws(OCIError) {
        try self.init(content, descriptor.mediaType, descriptor, maximumSize)
    }

    /// The tar of type `type` in `content`, of at most `maximumSize` bytes when unpacked, which is read as it is.
    convenience init(unverified content: BlobContent, _ type: MediaType, maximumSize: Int) throws(OCIError) {
        try self.init(content, type, nil, maximumSize)
    }

    private init(
        _ content: BlobContent, _ type: MediaType, _ descriptor: Descriptor?, _ maximumSize: Int
    ) throws(OCIError) {
        self.descriptor = descriptor
        self.maximumSize = maximumSize
        input =
            switch content {
            case .bytes(let bytes): .bytes(bytes)
            case .file(let path): .file(try OpenFile(reading: path))
            case .spooled(let bytes): .spooled(bytes)
            }
        switch type.oci {
        case .layerGzip: inflater = try Inflater()
        case .layerTar: inflater = nil
        default:
            throw OCIError(
                .unsupported, "Layers of type \(type) cannot be unpacked; tar and gzipped tar can.")
        }
    }

    deinit {
        compressed.deallocate()
        plain.deallocate()
    }

    /// The next piece of the tar, valid until the next call; empty at the end.
    func next() throws(OCIError) -> UnsafeRawBufferPointer {
        let count = try inflater == nil ? readBlob(into: plain) : inflateNext()
        let piece = UnsafeRawBufferPointer(rebasing: plain[..<count])
        tarSize += count
        guard tarSize <= maximumSize else {
            let name = descriptor.map { "layer \($0.digest)" } ?? "archive"
            throw OCIError(.hostileLayer, "The \(name) unpacks to more than \(maximumSize) bytes.")
        }
        if descriptor != nil { tarHash.update(piece) }
        return piece
    }

    /// Reads what is left and verifies both digests.
    func finish(diffID: Digest) throws(OCIError) {
        while try !next().isEmpty {}
        guard let descriptor else { return }
        try descriptor.verify(digest: blobHash.digest(), size: position)
        let tarDigest = tarHash.digest()
        guard tarDigest == diffID else {
            throw OCIError(.mismatch, "The layer \(descriptor.digest) unpacks to \(tarDigest) instead of \(diffID).")
        }
    }

    private func inflateNext() throws(OCIError) -> Int {
        while true {
            guard case .wrote(let count) = try inflater?.step(into: plain) else {
                let count = try readBlob(into: compressed)
                if count == 0 {
                    guard inflater?.isComplete == true else {
                        throw OCIError(.malformed, "The gzip stream is cut off.")
                    }
                    return 0
                }
                inflater?.offer(UnsafeRawBufferPointer(rebasing: compressed[..<count]))
                continue
            }
            return count
        }
    }

    private func readBlob(into buffer: UnsafeMutableRawBufferPointer) throws(OCIError) -> Int {
        let count: Int
        switch input {
        case .bytes(let bytes):
            count = min(buffer.count, bytes.count - position)
            bytes.withRawBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[position..<position + count]))
            }
        case .file(let file): count = try file.read(into: buffer)
        case .spooled(let bytes): count = try bytes.read(into: buffer, at: position)
        }
        position += count
        if descriptor != nil { blobHash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        return count
    }
}

internal import Contract
import Glibc

/// A blob on its way into a ``BlobCache``. What is not committed disappears with it.
struct BlobWriter: ~Copyable {
    private let cache: BlobCache
    private let path: String
    private let file: OpenFile
    private var hash = ContentHash()
    private(set) var size = 0
    private var isCommitted = false

    init(_ cache: BlobCache) throws(OCIError) {
        self.cache = cache
        path = cache.temporaryPath()
        file = try OpenFile(creating: path)
    }

    deinit {
        if !isCommitted { unlink(path) }
    }

    /// Adds `bytes`.
    mutating func append(_ bytes: UnsafeRawBufferPointer) throws(OCIError) {
        hash.update(bytes)
        size += bytes.count
        try file.write(bytes)
    }

    /// Puts the blob in place and returns its digest; throws `mismatch` if it is not what is `expected`.
    consuming func commit(expecting expected: Descriptor? = nil) throws(OCIError) -> Digest {
        let digest = hash.digest()
        if let expected { try expected.verify(digest: digest, size: size) }
        try file.sync()
        guard rename(path, cache.path(of: digest)) == 0 else { throw .system("\(path) cannot be renamed") }
        isCommitted = true
        try cache.syncDirectory()
        return digest
    }
}

extension Descriptor {
    /// Throws `mismatch` unless the content with this digest and size is what is described.
    func verify(digest: Digest, size: Int) throws(OCIError) {
        guard size == self.size else {
            throw OCIError(.mismatch, "The content of \(self.digest) has \(size) bytes instead of \(self.size).")
        }
        guard digest == self.digest else {
            throw OCIError(.mismatch, "Content has the digest \(digest) instead of \(self.digest).")
        }
    }
}

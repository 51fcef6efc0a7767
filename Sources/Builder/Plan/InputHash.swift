import Contract
import Crypto
import OCI

/// A digest over several inputs, each taken with its length, so that no two lists of inputs run into each other.
struct InputHash {
    private var hash = SHA256()

    /// Takes bytes.
    mutating func add(_ bytes: [UInt8]) {
        withUnsafeBytes(of: UInt64(bytes.count).bigEndian) { hash.update(bufferPointer: $0) }
        bytes.withUnsafeBytes { hash.update(bufferPointer: $0) }
    }

    /// Takes bytes, wherever they are.
    mutating func add(_ content: BlobContent) throws(OCIError) {
        withUnsafeBytes(of: UInt64(try content.size).bigEndian) { hash.update(bufferPointer: $0) }
        try content.forEachBlock { hash.update(bufferPointer: $0) }
    }

    /// Takes text as UTF-8.
    mutating func add(_ text: String) { add(Array(text.utf8)) }

    /// The digest of everything taken.
    func digest() -> Contract.Digest { Contract.Digest(bytes: hash.finalize()) }
}

internal import Contract
import Crypto

/// SHA-256 over bytes as they pass. Hides that Crypto has a `Digest`, too.
struct ContentHash {
    private var hash = SHA256()

    /// Adds `bytes`.
    mutating func update(_ bytes: UnsafeRawBufferPointer) { hash.update(bufferPointer: bytes) }

    /// The digest of everything so far.
    func digest() -> Contract.Digest { Contract.Digest(bytes: hash.finalize()) }

    /// The digest of `bytes`.
    static func digest(of bytes: [UInt8]) -> Contract.Digest { Contract.Digest(bytes: SHA256.hash(data: bytes)) }
}

extension [UInt8] {
    /// The bytes in memory, for the length of the call. Unlike `withUnsafeBytes` it keeps the type of the error.
    func withRawBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try withUnsafeBufferPointer { (buffer) throws(Failure) in try body(UnsafeRawBufferPointer(buffer)) }
    }
}

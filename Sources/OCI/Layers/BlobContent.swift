/// Where a blob's bytes are.
package enum BlobContent: Sendable, Hashable {
    /// In memory.
    case bytes([UInt8])
    /// In a file, by path.
    case file(String)
}

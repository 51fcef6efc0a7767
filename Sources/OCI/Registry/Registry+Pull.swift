package import Contract

extension Registry {
    /// Type, digest and size of a manifest or index without its bytes; `nil` if there is none. `name` is a tag or a digest.
    package func descriptor(
        _ repository: String, _ name: ImageReference.Selector
    ) async throws(OCIError) -> Descriptor? { throw unbuilt }

    /// A manifest or index, verified; throws `notFound`.
    package func manifest(
        _ repository: String, _ name: ImageReference.Selector
    ) async throws(OCIError) -> (descriptor: Descriptor, bytes: [UInt8]) { throw unbuilt }

    /// An image's documents. Out of an index the manifest for `platform` is taken; a manifest for another platform is refused.
    package func image(
        _ repository: String, _ name: ImageReference.Selector, platform: Platform = .host
    ) async throws(OCIError) -> Image { throw unbuilt }

    /// Whether the blob is in the repository; its size if so.
    package func blobSize(_ repository: String, _ digest: Digest) async throws(OCIError) -> Int? { throw unbuilt }

    /// A small blob's bytes, verified.
    package func blob(
        _ repository: String, _ descriptor: Descriptor, limit: Int = 4 << 20
    ) async throws(OCIError) -> [UInt8] { throw unbuilt }

    /// Makes sure that `cache` has the blob, streaming it there in constant memory if needed, and returns its path.
    @discardableResult
    package func fetch(
        _ repository: String, _ descriptor: Descriptor, into cache: BlobCache
    ) async throws(OCIError) -> String { throw unbuilt }
}

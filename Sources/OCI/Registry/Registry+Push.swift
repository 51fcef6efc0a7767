package import Contract

/// Upload sessions being opened ahead of the blobs that will go into them.
package final class UploadSessions: Sendable {
    /// The repository that they belong to.
    package let repository: String
    init(repository: String) { self.repository = repository }
}

extension Registry {
    /// Starts to open `count` upload sessions in `repository` at once and runs `body` meanwhile. Opening needs no digest, so it can
    /// go on while the blobs are still being made. Sessions that `body` leaves unused are cancelled at the registry, also when it throws.
    ///
    /// Opening failures show only when a session is used; then another is opened.
    package func withUploadSessions<Result: Sendable>(
        _ repository: String, count: Int = 2, isolation: isolated (any Actor)? = #isolation,
        _ body: (UploadSessions) async throws -> Result
    ) async throws -> Result { throw unbuilt }

    /// Makes sure that the repository has the blob. `sessions` (of the same repository) saves opening one.
    ///
    /// A blob known to be there is not sent. A failed upload is repeated as the retry policy says, after asking whether it
    /// arrived in spite of the failure.
    package func push(
        _ content: BlobContent, _ descriptor: Descriptor, to repository: String, sessions: UploadSessions? = nil
    ) async throws(OCIError) { throw unbuilt }

    /// Makes sure that the repository has a blob that another repository of this registry has, without sending it (cross-repository
    /// mount); `false` if the registry does not do that, or `source` has no such blob.
    package func mount(
        _ digest: Digest, to repository: String, from source: String
    ) async throws(OCIError) -> Bool { throw unbuilt }

    /// Stores a manifest under its digest and, if given, under a tag; both at once if `tag` is given. Verifies the digest that the
    /// registry answers with.
    package func putManifest(
        _ bytes: [UInt8], _ descriptor: Descriptor, to repository: String, tag: String? = nil
    ) async throws(OCIError) { throw unbuilt }

    /// Pushes an image: new layers and configuration in parallel, base layers by mounting them from `base`, then the manifest under
    /// each of `tags` (or under its digest alone). A tag moves only when everything it needs is there.
    package func push(
        _ image: Image, to repository: String, tags: [String] = [], base: String? = nil, sessions: UploadSessions? = nil
    ) async throws(OCIError) { throw unbuilt }
}

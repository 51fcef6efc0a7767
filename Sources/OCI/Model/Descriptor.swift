package import Contract

/// Names a piece of content: its type, digest and size (OCI image-spec, descriptor.md).
package struct Descriptor: Hashable, Sendable, Codable {
    /// The content's type.
    package var mediaType: MediaType
    /// The content's digest.
    package var digest: Digest
    /// The content's size in bytes.
    package var size: Int
    /// Notes on the content.
    package var annotations: [String: String]?
    /// In an index: what the image runs on.
    package var platform: Platform?
    /// In a list of referrers: what the artifact is.
    package var artifactType: MediaType?

    /// Content of `size` bytes with `digest`.
    package init(
        mediaType: MediaType, digest: Digest, size: Int, annotations: [String: String]? = nil, platform: Platform? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.annotations = annotations
        self.platform = platform
    }
}

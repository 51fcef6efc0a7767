import Contract
import OCI

/// What garbage collection has to know of the registry and do in it.
package protocol ImageInventory: Sendable {
    /// All repositories, also those of others; `nil` when this registry does not tell.
    func listed() async throws -> [String]?

    /// The tags of `repository`.
    func tags(of repository: String) async throws -> [String]

    /// The image that `tag` points at; `nil` when there is no such tag.
    func digest(of tag: String, in repository: String) async throws -> Digest?

    /// Whether there is a manifest with this digest.
    func has(_ digest: Digest, in repository: String) async throws -> Bool

    /// What the image is made of; `nil` when it is not there.
    func facts(of digest: Digest, in repository: String) async throws -> ImageFacts?

    /// The manifests that are kept beside the image `digest` and go after it, in this order; `tags` are those of its tags that say so.
    func attached(to digest: Digest, tags: [String], in repository: String) async throws -> [AttachedManifest]

    /// Removes an image with its tags; `false` when this registry does not delete.
    func delete(_ digest: Digest, from repository: String) async throws -> Bool

    /// Frees the blobs that no image has; `false` when that is the registry's own business. While it runs the registry can be read,
    /// not written.
    func sweep() async throws -> Bool
}

/// What an image is made of.
package struct ImageFacts: Hashable, Sendable {
    /// Its blobs with their sizes: manifests, configurations and layers.
    package var blobs: [Digest: Int]
    /// The digests of its unpacked layers.
    package var layers: [Digest]
    /// The tag of the image with what it imports, which the next build begins with; `nil` for none.
    package var imports: String?
    /// The manifests of its platforms, when it is an index of several: they have no tag, and go when it goes.
    package var manifests: [Digest]

    /// An image of `blobs`.
    package init(blobs: [Digest: Int], layers: [Digest], imports: String? = nil, manifests: [Digest] = []) {
        self.manifests = manifests
        self.imports = imports
        self.blobs = blobs
        self.layers = layers
    }
}

import Contract
import OCI

/// ``ImageInventory`` of an OCI registry.
package struct RegistryInventory: ImageInventory {
    private let registry: Registry
    private let sweeper: (@Sendable () async throws -> Void)?

    /// The images in `registry`. `sweeper` frees what is not referred to any more, if the registry is Kiln's own.
    package init(_ registry: Registry, sweeper: (@Sendable () async throws -> Void)?) {
        self.registry = registry
        self.sweeper = sweeper
    }

    package func listed() async throws -> [String]? { try await registry.repositories() }

    package func tags(of repository: String) async throws -> [String] { try await registry.tags(repository) }

    package func digest(of tag: String, in repository: String) async throws -> Digest? {
        try await registry.descriptor(repository, .tag(tag))?.digest
    }

    package func has(_ digest: Digest, in repository: String) async throws -> Bool {
        try await registry.descriptor(repository, .digest(digest)) != nil
    }

    package func facts(of digest: Digest, in repository: String) async throws -> ImageFacts? {
        // A revision from before the operator chose another place for images.
        guard registry.endpoint.repositories.contains(repository) else { return nil }
        let image: OCI.Image
        do throws(OCIError) {
            image = try await registry.image(repository, .digest(digest))
        } catch {
            guard error.code != .notFound else { return nil }
            throw error
        }
        var blobs: [Digest: Int] = [:]
        blobs[image.digest] = image.descriptor.size
        blobs[image.manifest.config.digest] = image.manifest.config.size
        for layer in image.manifest.layers { blobs[layer.digest] = layer.size }
        return ImageFacts(
            blobs: blobs, layers: image.config.rootfs.diffIDs,
            imports: image.manifest.annotations?["dev.kiln.imports"])
    }

    package func attached(to digest: Digest, tags: [String], in repository: String) async throws -> [AttachedManifest] {
        try await registry.attached(to: digest, tags: tags.compactMap { AttachmentTag($0) }, in: repository)
    }

    package func delete(_ digest: Digest, from repository: String) async throws -> Bool {
        try await registry.deleteManifest(repository, digest) != .unsupported
    }

    package func sweep() async throws -> Bool {
        guard let sweeper else { return false }
        try await sweeper()
        return true
    }
}

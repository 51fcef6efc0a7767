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
        do throws(OCIError) {
            let image = try await registry.documents(repository, digest)
            var blobs = [image.descriptor.digest: image.descriptor.size]
            var layers: [Digest] = []
            for item in image.manifests {
                blobs[item.descriptor.digest] = item.descriptor.size
                for blob in [item.manifest.config] + item.manifest.layers { blobs[blob.digest] = blob.size }
                layers += try await unpacked(item, in: repository).filter { !layers.contains($0) }
            }
            let annotations = image.manifests.compactMap(\.manifest.annotations) + [image.annotations ?? [:]]
            return ImageFacts(
                blobs: blobs, layers: layers, imports: annotations.compactMap { $0["dev.kiln.imports"] }.first,
                manifests: image.isIndex ? image.manifests.map(\.descriptor.digest) : [])
        } catch {
            guard error.code != .notFound else { return nil }
            throw error
        }
    }

    /// The digests of an image's unpacked layers; none for what is no image, which an index may name too.
    private func unpacked(
        _ image: ImageDocuments.Document, in repository: String
    ) async throws(OCIError) -> [Digest] {
        guard image.manifest.config.mediaType.oci == .config else { return [] }
        let config = try await registry.blob(repository, image.manifest.config)
        return try CanonicalJSON.decode(ImageConfig.self, from: config, what: "The image configuration").rootfs.diffIDs
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

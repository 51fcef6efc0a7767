package import Contract

/// An image by its documents: what a registry holds beside the layers.
package struct Image: Sendable, Hashable {
    /// The manifest.
    package let manifest: Manifest
    /// The manifest as it was read or is to be written: these bytes have the digest.
    package let manifestBytes: [UInt8]
    /// The manifest's type, digest and size.
    package let descriptor: Descriptor
    /// The configuration.
    package let config: ImageConfig
    /// The configuration as it was read or is to be written.
    package let configBytes: [UInt8]
    /// The layers that were made here, with their bytes. The others are in some registry.
    package let newLayers: [Layer]

    /// The image's digest: that of the manifest.
    package var digest: Digest { descriptor.digest }

    /// An image from its documents as they were read; throws when they contradict each other.
    package init(
        manifestBytes: [UInt8], mediaType: MediaType, configBytes: [UInt8], newLayers: [Layer] = []
    ) throws(OCIError) {
        let manifest = try CanonicalJSON.decode(Manifest.self, from: manifestBytes, what: "The image manifest")
        let config = try CanonicalJSON.decode(ImageConfig.self, from: configBytes, what: "The image configuration")
        guard mediaType.oci == .manifest, manifest.mediaType.oci == .manifest else {
            throw OCIError(
                .unsupported, "A document of type \(manifest.mediaType), sent as \(mediaType), is no image manifest.")
        }
        guard manifest.layers.count == config.rootfs.diffIDs.count else {
            throw OCIError(
                .malformed,
                "The image has \(manifest.layers.count) layers and \(config.rootfs.diffIDs.count) digests of unpacked layers."
            )
        }
        try manifest.config.verify(digest: ContentHash.digest(of: configBytes), size: configBytes.count)
        self.init(manifest, manifestBytes, mediaType, config, configBytes, newLayers)
    }

    /// An image of documents made here.
    init(_ manifest: Manifest, config: ImageConfig, configBytes: [UInt8], newLayers: [Layer]) throws(OCIError) {
        let bytes = try CanonicalJSON.encode(manifest)
        guard bytes.count <= Manifest.maximumSize else {
            throw OCIError(.tooLarge, "The manifest has \(bytes.count) bytes; registries take \(Manifest.maximumSize).")
        }
        self.init(manifest, bytes, manifest.mediaType, config, configBytes, newLayers)
    }

    /// The same image, when all of its layers are in the registry already.
    package var stored: Image { Image(manifest, manifestBytes, descriptor.mediaType, config, configBytes, []) }

    private init(
        _ manifest: Manifest, _ manifestBytes: [UInt8], _ mediaType: MediaType, _ config: ImageConfig,
        _ configBytes: [UInt8], _ newLayers: [Layer]
    ) {
        self.manifest = manifest
        self.manifestBytes = manifestBytes
        self.config = config
        self.configBytes = configBytes
        self.newLayers = newLayers
        descriptor = Descriptor(describing: manifestBytes, as: mediaType)
    }
}

extension Descriptor {
    /// Describes `bytes`.
    package init(describing bytes: [UInt8], as mediaType: MediaType) {
        self.init(mediaType: mediaType, digest: ContentHash.digest(of: bytes), size: bytes.count)
    }
}

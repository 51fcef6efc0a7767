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
        throw OCIError(.unsupported, "Images are not built yet.")
    }
}

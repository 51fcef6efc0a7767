/// An image's manifest: its configuration and its layers, lowest first (OCI image-spec, manifest.md).
package struct Manifest: Hashable, Sendable, Codable {
    /// Always 2.
    package var schemaVersion = 2
    /// The manifest's own type; always written.
    package var mediaType: MediaType
    /// The configuration blob.
    package var config: Descriptor
    /// The layers, lowest first.
    package var layers: [Descriptor]
    /// Notes on the image.
    package var annotations: [String: String]?

    /// An OCI manifest.
    package init(config: Descriptor, layers: [Descriptor], annotations: [String: String]? = nil) {
        mediaType = .manifest
        self.config = config
        self.layers = layers
        self.annotations = annotations
    }

    /// The largest manifest that registries must take (OCI distribution-spec, "Pushing manifests").
    package static let maximumSize = 4 << 20
}

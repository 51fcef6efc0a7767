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
    /// What the content is, when the manifest is no image's.
    package var artifactType: MediaType?
    /// The manifest that this one tells something about.
    package var subject: Descriptor?

    /// An OCI manifest.
    package init(config: Descriptor, layers: [Descriptor], annotations: [String: String]? = nil) {
        mediaType = .manifest
        self.config = config
        self.layers = layers
        self.annotations = annotations
    }

    /// The largest manifest that registries must take (OCI distribution-spec, "Pushing manifests").
    package static let maximumSize = 4 << 20

    /// Reads a manifest. OCI lets `mediaType` be missing; then it is OCI's (image-spec, manifest.md).
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        schemaVersion = try container.decode(Int.self, forKey: .schemaVersion)
        mediaType = try container.decodeIfPresent(MediaType.self, forKey: .mediaType) ?? .manifest
        config = try container.decode(Descriptor.self, forKey: .config)
        layers = try container.decode([Descriptor].self, forKey: .layers)
        annotations = try container.decodeIfPresent([String: String].self, forKey: .annotations)
        artifactType = try container.decodeIfPresent(MediaType.self, forKey: .artifactType)
        subject = try container.decodeIfPresent(Descriptor.self, forKey: .subject)
        guard schemaVersion == 2 else {
            throw DecodingError.dataCorruptedError(
                forKey: .schemaVersion, in: container, debugDescription: "schema version \(schemaVersion) is not known")
        }
    }
}

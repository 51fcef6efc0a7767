/// The manifests of one image for several platforms (OCI image-spec, image-index.md).
package struct Index: Hashable, Sendable, Codable {
    /// Always 2.
    package var schemaVersion = 2
    /// The index's own type; always written.
    package var mediaType: MediaType
    /// One manifest per platform, and others such as attestations.
    package var manifests: [Descriptor]
    /// Notes on the index.
    package var annotations: [String: String]?

    /// An OCI index.
    package init(manifests: [Descriptor], annotations: [String: String]? = nil) {
        mediaType = .index
        self.manifests = manifests
        self.annotations = annotations
    }

    /// The first manifest that runs on `platform`; an exact variant is preferred, `unknown/unknown` is never chosen.
    package func manifest(for platform: Platform) -> Descriptor? {
        let matching = manifests.filter { $0.platform.map(platform.runs) ?? false }
        return matching.first { $0.platform == platform } ?? matching.first
    }

    /// Reads an index. OCI lets `mediaType` be missing; then it is OCI's (image-spec, image-index.md).
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        schemaVersion = try container.decode(Int.self, forKey: .schemaVersion)
        mediaType = try container.decodeIfPresent(MediaType.self, forKey: .mediaType) ?? .index
        manifests = try container.decode([Descriptor].self, forKey: .manifests)
        annotations = try container.decodeIfPresent([String: String].self, forKey: .annotations)
    }
}

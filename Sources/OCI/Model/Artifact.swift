package import Contract

/// Something that is stored in a registry to tell about an image: one blob, and a manifest with the image as its subject (OCI image-spec 1.1,
/// manifest.md "Guidelines for artifact usage").
package struct Artifact: Sendable, Hashable {
    /// The content of manifests that have no configuration.
    static let emptyConfig = Array("{}".utf8)

    /// The blob.
    package let content: [UInt8]
    /// The manifest.
    package let manifest: Manifest
    /// The manifest as it is stored.
    package let manifestBytes: [UInt8]
    /// How the manifest stands in a list of referrers.
    package let descriptor: Descriptor

    /// An artifact of type `type` about `subject`, with `content` of type `contentType`. Equal input gives equal bytes.
    package init(
        _ type: MediaType, about subject: Descriptor, content: [UInt8], as contentType: MediaType,
        annotations: [String: String]? = nil
    ) throws(OCIError) {
        var manifest = Manifest(
            config: Descriptor(describing: Self.emptyConfig, as: .empty),
            layers: [Descriptor(describing: content, as: contentType)], annotations: annotations)
        manifest.artifactType = type
        manifest.subject = Descriptor(mediaType: subject.mediaType, digest: subject.digest, size: subject.size)
        self.content = content
        self.manifest = manifest
        manifestBytes = try CanonicalJSON.encode(manifest)
        descriptor = Descriptor(referring: manifest, manifestBytes)
    }
}

extension Descriptor {
    /// How the manifest `manifest`, whose bytes are `bytes`, stands in a list of referrers.
    package init(referring manifest: Manifest, _ bytes: [UInt8]) {
        self.init(describing: bytes, as: manifest.mediaType)
        // What has no type of its own is known by its configuration's (OCI distribution-spec, "Listing Referrers").
        artifactType = manifest.artifactType ?? manifest.config.mediaType
        annotations = manifest.annotations
    }
}

/// The tags that say in their name which image they are about.
package enum AttachmentTag: Sendable, Hashable {
    /// The list of an image's referrers, in registries that keep none: `sha256-<hex>` (OCI distribution-spec 1.1, "Referrers tag schema").
    case referrers(Digest)
    /// What cosign keeps beside an image: `sha256-<hex>.sig`, and `.att`, `.sbom` of older versions.
    case cosign(Digest, String)

    /// The tag `text`; `nil` when it is any other.
    package init?(_ text: String) {
        guard text.hasPrefix("sha256-"), let digest = Digest(hex: String(text.dropFirst(7).prefix(64))) else {
            return nil
        }
        switch text.dropFirst(71) {
        case "": self = .referrers(digest)
        case ".sig", ".att", ".sbom": self = .cosign(digest, String(text.dropFirst(72)))
        default: return nil
        }
    }

    /// The image.
    package var subject: Digest {
        switch self {
        case .referrers(let digest), .cosign(let digest, _): digest
        }
    }

    /// The tag.
    package var text: String {
        switch self {
        case .referrers(let digest): "sha256-\(digest.hex)"
        case .cosign(let digest, let kind): "sha256-\(digest.hex).\(kind)"
        }
    }

    /// The tag of the signatures of the image `digest`.
    package static func signatures(of digest: Digest) -> AttachmentTag { .cosign(digest, "sig") }
}

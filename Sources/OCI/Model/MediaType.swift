/// A media type of an image's parts (OCI image-spec, media-types.md, and Docker's older names for the same).
package struct MediaType: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
    /// The type as it is written.
    package let rawValue: String

    /// The type `rawValue`.
    package init(rawValue: String) { self.rawValue = rawValue }

    /// An OCI image manifest.
    package static let manifest = MediaType(rawValue: "application/vnd.oci.image.manifest.v1+json")
    /// An OCI image index.
    package static let index = MediaType(rawValue: "application/vnd.oci.image.index.v1+json")
    /// An OCI image configuration.
    package static let config = MediaType(rawValue: "application/vnd.oci.image.config.v1+json")
    /// An uncompressed layer.
    package static let layerTar = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar")
    /// A gzipped layer.
    package static let layerGzip = MediaType(rawValue: "application/vnd.oci.image.layer.v1.tar+gzip")
    /// Docker's image manifest, version 2 schema 2.
    package static let dockerManifest = MediaType(rawValue: "application/vnd.docker.distribution.manifest.v2+json")
    /// Docker's manifest list.
    package static let dockerManifestList = MediaType(
        rawValue: "application/vnd.docker.distribution.manifest.list.v2+json")
    /// Docker's image configuration.
    package static let dockerConfig = MediaType(rawValue: "application/vnd.docker.container.image.v1+json")
    /// Docker's gzipped layer.
    package static let dockerLayerGzip = MediaType(rawValue: "application/vnd.docker.image.rootfs.diff.tar.gzip")

    /// The blob `{}`, for manifests that have no configuration (OCI image-spec, manifest.md "Guidance for an empty descriptor").
    package static let empty = MediaType(rawValue: "application/vnd.oci.empty.v1+json")
    /// What cosign signs: a simple signing document.
    package static let simpleSigning = MediaType(rawValue: "application/vnd.dev.cosign.simplesigning.v1+json")
    /// A signed statement (DSSE).
    package static let envelope = MediaType(rawValue: "application/vnd.dsse.envelope.v1+json")
    /// A statement about an image (in-toto).
    package static let statement = MediaType(rawValue: "application/vnd.in-toto+json")
    /// A bill of materials (SPDX).
    package static let spdx = MediaType(rawValue: "application/spdx+json")

    /// Whether a document of this type lists manifests of several platforms.
    package var isIndex: Bool { self == .index || self == .dockerManifestList }

    /// Whether content of this type is a layer that can be unpacked here.
    package var isLayer: Bool { self == .layerTar || self == .layerGzip || self == .dockerLayerGzip }

    /// The OCI name of a Docker type; other types as they are. The bytes of a layer are the same under both names.
    package var oci: MediaType {
        switch self {
        case .dockerManifest: .manifest
        case .dockerManifestList: .index
        case .dockerConfig: .config
        case .dockerLayerGzip: .layerGzip
        default: self
        }
    }

    package var description: String { rawValue }

    package init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(String.self)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

import Contract
import OCI

/// A list of what is in an image, as SPDX 2.3 has it in JSON. The same image in the same repository gives the same bytes: it was created at the epoch,
/// as the image was.
struct BillOfMaterials: Sendable, Encodable {
    private struct CreationInfo: Sendable, Encodable {
        var created = ImageConfig.epoch
        var creators = ["Tool: kiln"]
    }

    private struct Package: Sendable, Encodable {
        struct Checksum: Sendable, Encodable {
            var algorithm: String
            var checksumValue: String
        }

        struct Reference: Sendable, Encodable {
            var referenceCategory = "PACKAGE-MANAGER"
            var referenceType = "purl"
            var referenceLocator: String
        }

        var id: String
        var name: String
        var versionInfo: String?
        var downloadLocation: String
        var filesAnalyzed = false
        var checksums: [Checksum]?
        var externalRefs: [Reference]
        var primaryPackagePurpose: String?

        enum CodingKeys: String, CodingKey {
            case id = "SPDXID"
            case name, versionInfo, downloadLocation, filesAnalyzed, checksums, externalRefs, primaryPackagePurpose
        }
    }

    private struct Relationship: Sendable, Encodable {
        var spdxElementId: String
        var relationshipType: String
        var relatedSpdxElement: String
    }

    private static let document = "SPDXRef-DOCUMENT"
    private static let image = "SPDXRef-image"

    private var spdxVersion = "SPDX-2.3"
    private var dataLicense = "CC0-1.0"
    private var id = Self.document
    private var name: String
    private var documentNamespace: String
    private var creationInfo = CreationInfo()
    private var packages: [Package]
    private var relationships: [Relationship]

    private enum CodingKeys: String, CodingKey {
        case id = "SPDXID"
        case spdxVersion, dataLicense, name, documentNamespace, creationInfo, packages, relationships
    }

    /// What is in `image`, which is in `repository`.
    init(_ image: MultiPlatformImage, repository: String) throws(BuilderError) {
        let function = repository.split(separator: "/").last.map(String.init) ?? repository
        name = function
        documentNamespace = "urn:kiln:sbom:\(function):\(image.digest.hex)"
        packages = [
            Package(
                id: Self.image, name: function, versionInfo: image.digest.description,
                downloadLocation: "NOASSERTION",
                checksums: [.init(algorithm: "SHA256", checksumValue: image.digest.hex)],
                externalRefs: [
                    .init(
                        referenceLocator:
                            "pkg:oci/\(Component.escaped(function))@\(Component.escaped(image.digest.description))")
                ],
                primaryPackagePurpose: "CONTAINER")
        ]
        relationships = [
            Relationship(
                spdxElementId: Self.document, relationshipType: "DESCRIBES", relatedSpdxElement: Self.image)
        ]
        for (index, component) in try Component.all(of: image).enumerated() {
            let id = "SPDXRef-\(component.kind)-\(index)"
            packages.append(
                Package(
                    id: id, name: component.name, versionInfo: component.version,
                    downloadLocation: component.location ?? "NOASSERTION",
                    checksums: component.checksum.map {
                        [.init(algorithm: $0.algorithm.uppercased(), checksumValue: $0.hex)]
                    }, externalRefs: [.init(referenceLocator: component.purl)]))
            relationships.append(
                Relationship(
                    spdxElementId: Self.image,
                    relationshipType: component.kind == "base" ? "DESCENDANT_OF" : "CONTAINS",
                    relatedSpdxElement: id))
            if component.isDirect, !["base", "deno"].contains(component.kind) {
                relationships.append(
                    Relationship(
                        spdxElementId: Self.image, relationshipType: "DEPENDS_ON", relatedSpdxElement: id))
            }
        }
    }
}

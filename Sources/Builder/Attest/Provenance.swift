import Contract
import FoundationEssentials
import OCI

/// How an image came to be: an in-toto Statement v1 with a predicate of SLSA provenance v1. It has no time in it, for that would make it another one
/// each time that the same image is made.
struct Provenance: Sendable, Encodable {
    /// What the predicate is.
    static let predicate = "https://slsa.dev/provenance/v1"

    private struct Resource: Sendable, Encodable {
        var name: String?
        var uri: String?
        var digest: [String: String]?
    }

    private struct Predicate: Sendable, Encodable {
        struct Definition: Sendable, Encodable {
            struct External: Sendable, Encodable {
                var source: Resource?
                var entry: String?
            }

            var buildType = "urn:kiln:bake:1"
            var externalParameters: External
            var internalParameters: [String: String]
            var resolvedDependencies: [Resource]
        }

        struct Run: Sendable, Encodable {
            struct Builder: Sendable, Encodable {
                var id = "urn:kiln:builder"
                var version: [String: String]
            }

            var builder: Builder
        }

        var buildDefinition: Definition
        var runDetails: Run
    }

    private var type = "https://in-toto.io/Statement/v1"
    private var subject: [Resource]
    private var predicateType = Self.predicate
    private var content: Predicate

    private enum CodingKeys: String, CodingKey {
        case type = "_type"
        case subject, predicateType
        case content = "predicate"
    }

    /// How `image`, which is in `repository`, was made; `version` is the Kiln that says so.
    init(_ image: MultiPlatformImage, repository: String, version: String) throws(BuilderError) {
        let notes = ImageNotes(image)
        var parameters: [String: String] = [:]
        parameters["format"] = notes[ImageNotes.format]
        parameters["deno"] = notes[ImageNotes.deno]
        parameters["handler"] = notes[ImageNotes.handler]
        subject = [Resource(name: repository, digest: ["sha256": image.digest.hex])]
        let components = try Component.all(of: image)
        content = Predicate(
            buildDefinition: .init(
                externalParameters: .init(
                    source: notes.source.map { Resource(digest: ["sha256": $0.hex]) }, entry: notes[ImageNotes.entry]),
                internalParameters: parameters,
                resolvedDependencies: components.map { component in
                    Resource(
                        name: component.kind == "web" ? nil : component.name,
                        uri: component.kind == "web" ? component.name : component.purl,
                        digest: component.checksum.map { [$0.algorithm: $0.hex] })
                }),
            runDetails: .init(builder: .init(version: ["kiln": version])))
    }
}

/// A statement with a signature (DSSE v1: dsse-envelope, protocol "PAE").
struct SignedEnvelope: Sendable, Encodable {
    private struct Signature: Sendable, Encodable {
        var keyid: String
        var sig: String
    }

    private var payload: String
    private var payloadType: String
    private var signatures: [Signature]

    /// `payload` of type `type`, signed with `key`.
    init(_ payload: [UInt8], type: MediaType, key: SigningKey) throws(OCIError) {
        let signed = Array("DSSEv1 \(type.rawValue.utf8.count) \(type.rawValue) \(payload.count) ".utf8) + payload
        self.payload = Data(payload).base64EncodedString()
        payloadType = type.rawValue
        signatures = [
            Signature(
                keyid: key.verifyingKey.id.hex, sig: Data(try key.signature(over: signed)).base64EncodedString())
        ]
    }
}

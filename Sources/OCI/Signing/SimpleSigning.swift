package import Contract
import FoundationEssentials

/// What is signed of an image: its digest, and by which name it was pushed (containers/image, "atomic container signature"; cosign's
/// SIGNATURE_SPEC).
package struct SimpleSigning: Sendable, Hashable, Codable {
    private struct Critical: Sendable, Hashable, Codable {
        struct Identity: Sendable, Hashable, Codable {
            var reference: String
            enum CodingKeys: String, CodingKey { case reference = "docker-reference" }
        }

        struct Subject: Sendable, Hashable, Codable {
            var digest: String
            enum CodingKeys: String, CodingKey { case digest = "docker-manifest-digest" }
        }

        var identity: Identity
        var image: Subject
        var type: String
    }

    /// What a statement of this kind says of itself.
    private static let kind = "cosign container image signature"

    private var critical: Critical
    /// What the signer adds, which is nothing; cosign writes it so.
    private var optional: Nothing?

    private struct Nothing: Sendable, Hashable, Codable {}

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(critical, forKey: .critical)
        try container.encodeNil(forKey: .optional)
    }

    /// A statement about the image `digest` in `repository` of `registry`.
    package init(_ digest: Digest, repository: String, registry: String) {
        critical = Critical(
            identity: .init(reference: "\(registry)/\(repository)"), image: .init(digest: digest.description),
            type: Self.kind)
    }

    /// Whether it is about the image `digest`, by whatever name.
    package func isAbout(_ digest: Digest) -> Bool {
        critical.image.digest == digest.description
            && [Self.kind, "atomic container signature"].contains(critical.type)
    }

    /// The bytes that are signed.
    package func bytes() throws(OCIError) -> [UInt8] { try CanonicalJSON.encode(self) }
}

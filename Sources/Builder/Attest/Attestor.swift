import Contract
import Logging
import OCI

/// Puts beside an image what vouches for it: a signature, a bill of materials, and how it was made.
///
/// All of it is about an image that is in the registry already, and nothing refers to it before it is whole. When it is, the image gets one more tag,
/// `a-…`, by which the next build of the same input finds that nothing is left to do.
package struct Attestor: Sendable {
    /// Rises when the same image is to get other attachments: it is part of the tag.
    private static let format = 1
    /// The annotation of an attachment with what made it: the format and the key.
    private static let maker = "dev.kiln.attestation"

    private let registry: Registry
    private let key: SigningKey?
    private let version: String
    private let logger: Logger

    /// Attests to images in `registry`, signs if there is a `key`; `version` is Kiln's.
    package init(registry: Registry, key: SigningKey?, version: String, logger: Logger) {
        self.registry = registry
        self.key = key
        self.version = version
        self.logger = logger
    }

    /// The key that its signatures are verified with; `nil` when it makes none.
    var verifyingKey: VerifyingKey? { key?.verifyingKey }

    /// The tag that an image of the input behind `tag` has once it is attested to.
    func tag(for tag: String) -> String {
        var hash = InputHash()
        hash.add("attested \(Self.format)")
        hash.add(key?.verifyingKey.id.description ?? "")
        hash.add(tag)
        return "a-" + hash.digest().hex
    }

    /// Signs the image, if there is a key.
    func sign(_ digest: Digest, in repository: String, _ care: SigningCare) async throws(OCIError) {
        if let key { try await registry.sign(digest, in: repository, with: key, care) }
    }

    /// Writes everything there is to write about `image`. Another Builder that does so at the same time may take it away:
    /// ``settle(_:in:tags:)`` finds out.
    func write(_ image: MultiPlatformImage, in repository: String) async throws {
        async let documents: Void = pushDocuments(about: image, in: repository, .written)
        try await sign(image.digest, in: repository, .written)
        try await documents
    }

    /// Sees to it that everything there is to write about `image` is there and stays, then gives it `tags`.
    func settle(_ image: MultiPlatformImage, in repository: String, tags: [String]) async throws {
        async let documents: Void = pushDocuments(about: image, in: repository, .settled)
        try await sign(image.digest, in: repository, .settled)
        try await documents
        for tag in tags {
            try await registry.putManifest(image.bytes, image.descriptor, to: repository, tag: tag)
        }
    }

    private func pushDocuments(
        about image: MultiPlatformImage, in repository: String, _ care: SigningCare
    ) async throws {
        let maker = "\(Self.format) \(key?.verifyingKey.id.hex ?? "unsigned")"
        do {
            let there = try await registry.referrers(of: image.digest, in: repository)
            let made = Set(there.filter { $0.annotations?[Self.maker] == maker }.map(\.artifactType))
            let artifacts = try documents(about: image, repository, maker)
                .filter { !made.contains($0.manifest.artifactType) }
            if !artifacts.isEmpty { try await registry.push(artifacts, to: repository, care) }
        } catch let error as OCIError where error.isRefusalOfKind {
            logger.notice(
                "the registry takes no artifacts beside images",
                metadata: ["image": "\(repository)@\(image.digest)", "error": "\(error)"])
        }
    }

    private func documents(about image: MultiPlatformImage, _ repository: String, _ maker: String) throws -> [Artifact]
    {
        let statement = try CanonicalJSON.encode(Provenance(image, repository: repository, version: version))
        let envelope = try key.map { try CanonicalJSON.encode(SignedEnvelope(statement, type: .statement, key: $0)) }
        return [
            try Artifact(
                .spdx, about: image.descriptor,
                content: try CanonicalJSON.encode(BillOfMaterials(image, repository: repository)), as: .spdx,
                annotations: [Self.maker: maker]),
            try Artifact(
                .statement, about: image.descriptor, content: envelope ?? statement,
                as: envelope == nil ? .statement : .envelope,
                annotations: [Self.maker: maker, "in-toto.io/predicate-type": Provenance.predicate]),
        ]
    }
}

extension OCIError {
    /// Whether the registry answered that it takes nothing of this kind: asking again would not help.
    fileprivate var isRefusalOfKind: Bool { [400, 405, 406, 415, 422].contains(status) }
}

/// The work of an ``Attestor`` that goes on while the image is rolled out; the last of it after the answer, because it is mostly waiting.
package struct Attestation: Sendable {
    private let task: Task<(warnings: [String], milliseconds: Double), Never>

    /// Begins `work`, which ``finish()`` waits for. `rest` follows; what it fails with is for `failed`.
    init(
        _ work: @escaping @Sendable () async throws -> Void, rest: @escaping @Sendable () async throws -> Void,
        failed: @escaping @Sendable (any Error) -> Void
    ) {
        task = Task {
            let started = ContinuousClock.now
            var warnings: [String] = []
            do { try await work() } catch {
                warnings.append(
                    "The image could not be attested to: \((error as? OCIError)?.message ?? "\(error)") It was deployed all the same; "
                        + "deploy it again to have that done.")
            }
            if warnings.isEmpty {
                Task { do { try await rest() } catch { failed(error) } }
            }
            return (warnings, started.duration(to: .now) / .milliseconds(1))
        }
    }

    /// Waits for its end: what the developer should know, and the time it took.
    package func finish() async -> (warnings: [String], milliseconds: Double) { await task.value }
}

package import Contract
import FoundationEssentials

/// What the signatures of an image come to.
package enum SignatureVerdict: Sendable, Hashable {
    /// One of them is by one of the keys, and says that it is about this image.
    case valid(by: VerifyingKey)
    /// There are none.
    case unsigned
    /// There are some, and none is by one of the keys.
    case otherKey
    /// One is by one of the keys, and about another image: it was moved here.
    case otherImage
}

/// How long it is seen to that a signature, or an entry of a list, stays.
package enum SigningCare: Sendable {
    /// It is written, and that is all: one by another key that is written at the same time may take its place.
    case written
    /// It is looked for again after a ``pause``.
    case settled

    /// Longer than another's reading and writing take, and not the same for all who pause.
    package static var pause: Duration { .milliseconds(Int.random(in: 100...150)) }
}

extension Registry {
    /// The annotation with a signature, Base64 (cosign's SIGNATURE_SPEC).
    private static let signatureAnnotation = "dev.cosignproject.cosign/signature"
    /// The most signatures of one image that are looked at.
    private static let mostSignatures = 100
    /// The longest statement that is read, in bytes.
    private static let longestPayload = 64 << 10
    /// How often signatures are written until the own one stays.
    private static let signatureAttempts = 10

    /// Stores a signature of the image `digest` beside it, as `cosign sign` does: under the tag `sha256-<hex>.sig`, with those by other keys that are
    /// there. Writes nothing when there is one by this key.
    package func sign(
        _ digest: Digest, in repository: String, with key: SigningKey, _ care: SigningCare = .settled
    ) async throws(OCIError) {
        let tag = AttachmentTag.signatures(of: digest).text
        let name = endpoint.name
        try await turns.run("\(repository):\(tag)") { () async throws(OCIError) in
            // Whoever has written one sees to it that it stays.
            var (isWritten, isThere) = (false, false)
            for _ in 1...Self.signatureAttempts {
                let there = try await self.signatures(of: digest, in: repository)
                if case .valid = try await self.verdict(there, digest, repository, [key.verifyingKey]) {
                    if isThere || !isWritten { return }
                    isThere = true
                    try? await Task.sleep(for: SigningCare.pause)
                    continue
                }
                isThere = false
                let payload = try SimpleSigning(digest, repository: repository, registry: name).bytes()
                var layer = Descriptor(describing: payload, as: .simpleSigning)
                layer.annotations = [
                    Self.signatureAnnotation: Data(try key.signature(over: payload)).base64EncodedString()
                ]
                do throws(OCIError) {
                    try await self.put(there + [layer], payload, as: tag, in: repository)
                } catch  where error.lacksBlobs {
                    self.known.forget(repository)
                    try await self.put(there + [layer], payload, as: tag, in: repository)
                }
                if care == .written { return }
                isWritten = true
            }
            throw OCIError(.registry, "Others kept replacing the signatures of \(digest) in \(name).")
        }
    }

    /// What the signatures of the image `digest` in `repository` come to. Throws when the registry does not say.
    package func verdict(
        on digest: Digest, in repository: String, by keys: [VerifyingKey]
    ) async throws(OCIError) -> SignatureVerdict {
        try await verdict(try await signatures(of: digest, in: repository), digest, repository, keys)
    }

    private func verdict(
        _ signatures: [Descriptor], _ digest: Digest, _ repository: String, _ keys: [VerifyingKey]
    ) async throws(OCIError) -> SignatureVerdict {
        guard !signatures.isEmpty else { return .unsigned }
        var verdict = SignatureVerdict.otherKey
        for layer in signatures.prefix(Self.mostSignatures) {
            guard let text = layer.annotations?[Self.signatureAnnotation], let signature = Data(base64Encoded: text)
            else { continue }
            let payload: [UInt8]
            do throws(OCIError) {
                payload = try await blob(repository, layer, limit: Self.longestPayload)
            } catch {
                // One that cannot be read vouches for nothing; a registry that does not answer is another thing.
                guard [.notFound, .mismatch, .tooLarge].contains(error.code) else { throw error }
                continue
            }
            guard let key = keys.first(where: { $0.verifies(Array(signature), over: payload) }) else { continue }
            let statement = try? JSONDecoder().decode(SimpleSigning.self, from: Data(payload))
            if statement?.isAbout(digest) == true { return .valid(by: key) }
            verdict = .otherImage
        }
        return verdict
    }

    /// The signatures under the tag of the image `digest`: the layers of what is there.
    private func signatures(of digest: Digest, in repository: String) async throws(OCIError) -> [Descriptor] {
        let tag = AttachmentTag.signatures(of: digest).text
        do throws(OCIError) {
            let (_, bytes) = try await manifest(repository, .tag(tag))
            let manifest = try CanonicalJSON.decode(Manifest.self, from: bytes, what: "The manifest \(tag)")
            return manifest.layers.filter { $0.mediaType == .simpleSigning }
        } catch {
            guard error.code != .notFound else { return [] }
            throw error
        }
    }

    private func put(
        _ layers: [Descriptor], _ payload: [UInt8], as tag: String, in repository: String
    ) async throws(OCIError) {
        // What cosign writes: an image for no platform whose layers are the statements.
        var config = ImageConfig(platform: Platform(os: "", architecture: ""))
        config.created = ImageConfig.epoch
        config.rootfs.diffIDs = layers.map(\.digest)
        let configBytes = try CanonicalJSON.encode(config)
        let descriptor = Descriptor(describing: configBytes, as: .config)
        try await concurrently { group in
            group.addTask {
                try await self.push(
                    .bytes(payload), Descriptor(describing: payload, as: .simpleSigning), to: repository)
            }
            group.addTask { try await self.push(.bytes(configBytes), descriptor, to: repository) }
        }
        let bytes = try CanonicalJSON.encode(Manifest(config: descriptor, layers: layers))
        try await putManifest(bytes, Descriptor(describing: bytes, as: .manifest), to: repository, tag: tag)
    }
}

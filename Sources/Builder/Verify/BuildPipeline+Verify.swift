import Contract
import OCI

extension BuildPipeline {
    /// Makes the image of revision `number` of `name` (`nil`: of the live one) again, from the source that is in it, and compares the two. Nothing
    /// that was made or found out before is used, and nothing is pushed. Throws ``Contract/Problem``, ``BuilderError`` or `OCIError`.
    package func verify(_ name: FunctionName, _ number: Int?, requestID: String) async throws -> Verification {
        let revision = try await deployer.revision(of: name, number, requestID: requestID)
        let repository = revision.image.repository
        let remake = try await Remake(revision.image.digest, in: repository, of: registry, spool: spool)
        // A judge of its own remembers nothing.
        let judge = SourceJudge(checker: judge.checker, deployer: deployer, patience: judge.patience)
        let ticket = Ticket(
            number: 0, repository: repository, checker: try await deployer.checker(requestID: requestID))
        let module = try await judge.module(of: remake.plan, ticket, requestID: requestID)
        let made = try await remake.made(module, try await judge.caches(of: module, ticket, requestID: requestID))

        var notes = baseNotes(remake)
        var parts: [Verification.PlatformComparison] = []
        for stored in remake.stored.images {
            guard let made = made.image(for: stored.config.platform) else { continue }
            parts.append(try await comparison(of: stored, made, remake, repository, &notes))
        }
        let format = remake.notes[ImageNotes.format] ?? "1"
        let isOfThisFormat = format == String(BuildPlan.format)
        if !isOfThisFormat {
            notes.append(
                "The image was made in form \(format) by another Kiln; this one makes form \(BuildPlan.format). What it says of itself differs for that, and is not compared."
            )
        }
        guard let own = parts.first(where: { $0.manifest.stored == remake.image.digest }) else {
            throw BuilderError(.image, "The image \(remake.stored.digest) has two manifests for one platform.")
        }
        let manifest = Self.compare(remake.stored.digest, made.digest)
        let sourceDigest = try remake.plan.sourceDigest()
        let source = remake.notes.source.map { $0 == sourceDigest }
        let areSame = parts.allSatisfy { part in
            part.layers.allSatisfy { $0.digest.identical && $0.diffID.identical } && part.config.identical
        }
        return Verification(
            name: name, revision: revision.number, image: revision.image,
            identical: areSame && (manifest.identical || !isOfThisFormat) && source != false, manifest: manifest,
            config: own.config, layers: own.layers, platforms: remake.stored.isIndex ? parts : nil,
            sourceIdentical: source, signature: try await signature(of: revision.image), notes: notes)
    }

    /// Compares the image of one platform with what was `made` again.
    private func comparison(
        of image: OCI.Image, _ made: OCI.Image, _ remake: Remake, _ repository: String, _ notes: inout [String]
    ) async throws -> Verification.PlatformComparison {
        let base = Self.base(of: image, remake)
        var layers: [Verification.LayerComparison] = []
        for (index, layer) in image.manifest.layers.enumerated() {
            let isCode = index == image.manifest.layers.count - 1
            let isBase = !isCode && index < base.count
            let content: Verification.LayerComparison.Content = isCode ? .code : isBase ? .base : .dependencies
            let digest = isCode ? made.manifest.layers[index].digest : isBase ? base[index].digest : nil
            let diffID = isCode ? made.config.rootfs.diffIDs[index] : isBase ? base[index].diffID : nil
            layers.append(
                .init(
                    content: content, digest: Self.compare(layer.digest, digest),
                    diffID: Self.compare(image.config.rootfs.diffIDs[index], diffID)))
            if !isCode, try await registry.blobSize(repository, layer.digest) == nil {
                let note = "The layer \(layer.digest) is not in the registry any more."
                if !notes.contains(note) { notes.append(note) }
                layers[index].digest.identical = false
            }
        }
        return Verification.PlatformComparison(
            platform: image.config.platform.description, manifest: Self.compare(image.digest, made.digest),
            config: Self.compare(image.manifest.config.digest, made.manifest.config.digest), layers: layers)
    }

    private static func compare(_ stored: Digest, _ made: Digest?) -> Verification.Comparison {
        Verification.Comparison(stored: stored, made: made, identical: made.map { $0 == stored } ?? true)
    }

    /// What there is to be known of the base image that a revision stands on.
    private func baseNotes(_ remake: Remake) -> [String] {
        let digest = remake.plan.base
        var notes: [String] = []
        if digest != base.digest {
            notes.append(
                "The revision stands on the base image \(digest), and the source was turned into JavaScript by the platform's present one, \(base.digest). Where they differ in Deno or Kiln's scripts, the code may differ for that."
            )
        }
        if remake.base == nil {
            notes.append(
                "The base image \(digest) is not in the registry any more: its layers are named by their digests, and compared with nothing."
            )
        }
        return notes
    }

    /// The layers of the base image below `image`; as many as it says it has when that is not there any more.
    private static func base(of image: OCI.Image, _ remake: Remake) -> [(digest: Digest?, diffID: Digest?)] {
        guard let base = remake.base else {
            let count = (image.config.history ?? [])
                .prefix { $0.createdBy?.contains("dependencies") != true && $0.createdBy != "kiln: code" }.count
            return Array(repeating: (nil, nil), count: count)
        }
        guard let stored = base.image(for: image.config.platform) else { return [] }
        return zip(stored.manifest.layers, stored.config.rootfs.diffIDs).map { ($0.digest, $1) }
    }

    private func signature(of image: PinnedImage) async throws -> Verification.Signature {
        guard let key = attestor?.verifyingKey else { return .unchecked }
        return switch try await registry.verdict(on: image.digest, in: image.repository, by: [key]) {
        case .valid: .valid
        case .unsigned: .unsigned
        case .otherKey: .otherKey
        case .otherImage: .otherImage
        }
    }
}

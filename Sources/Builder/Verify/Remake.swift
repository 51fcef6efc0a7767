import Contract
import OCI

/// A revision's image, and what it takes to make it again.
struct Remake: Sendable {
    /// The image as it is stored.
    let stored: MultiPlatformImage
    /// It for the Builder's own platform.
    let image: OCI.Image
    /// What it was made from.
    let source: DeployedSource
    /// What it says of itself.
    let notes: ImageNotes
    /// The plan by which it is made again.
    let plan: BuildPlan
    /// The base image that it stands on; `nil` when that has been collected.
    let base: MultiPlatformImage?
    private let spool: SpoolDirectory?

    /// Reads the image `digest` of `repository`. Throws as ``DeployedSource`` does.
    init(_ digest: Digest, in repository: String, of registry: Registry, spool: SpoolDirectory?) async throws {
        self.spool = spool
        stored = try await registry.images(repository, .digest(digest))
        guard let image = stored.image(for: .host) else {
            throw BuilderError(
                .image, "The image \(digest) cannot be made again here: it is not for the Builder's \(Platform.host).")
        }
        self.image = image
        notes = ImageNotes(image)
        guard let code = image.manifest.layers.last, let base = notes.base else {
            throw BuilderError(.image, "The image \(digest) does not say on which base image it stands.")
        }
        let bytes = try await registry.blob(repository, code, limit: DeployedSource.limit.compressed, spool: spool)
        source = try await DeployedSource(image, code: bytes, spool: spool)
        plan = try BuildPlan(base: base, source.source, language: source.language)
        self.base = try await Self.base(base, of: registry)
    }

    private static func base(_ digest: Digest, of registry: Registry) async throws -> MultiPlatformImage? {
        do throws(OCIError) {
            return try await registry.images(registry.endpoint.repositories.base, .digest(digest))
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    /// The image, made again of what the checker made of the source now: its code and its configuration, for each of its platforms. What is below the
    /// code is taken as it is, for it is named by its digests, and was not made of the source.
    func made(_ module: CheckedModule, _ caches: CodeCaches) async throws -> MultiPlatformImage {
        var images: [OCI.Image] = []
        for stored in stored.images {
            let deno = ImageNotes(stored)[ImageNotes.deno]
            let isOwn = stored.digest == image.digest
            let isSameDeno = deno != nil && deno == notes[ImageNotes.deno]
            let kept = isOwn ? caches : caches.elsewhere(isSameDeno: isSameDeno)
            images.append(try await made(stored, module, kept))
        }
        return stored.isIndex ? try MultiPlatformImage(images) : MultiPlatformImage(images[0])
    }

    private func made(_ image: OCI.Image, _ module: CheckedModule, _ caches: CodeCaches) async throws -> OCI.Image {
        let notes = ImageNotes(image)
        var builder = ImageBuilder(
            on: .init(try ground(of: image), name: notes.baseName),
            steps: [.init(try await layer(of: image, module, caches), createdBy: "kiln: code")])
        // When the base image has been collected, containers of it ran as those of Kiln's own do.
        let base = base?.image(for: image.config.platform)?.config.config
        builder.execution = plan.execution(module, on: base ?? BaseRecipe.execution)
        builder.annotations = try plan.annotations(module, deno: notes[ImageNotes.deno])
        builder.annotations["org.opencontainers.image.base.digest"] = plan.base.description
        // They belong to what is taken as it is.
        for name in [DependencyImage.lockAnnotation, DependencyImage.importsAnnotation] {
            builder.annotations[name] = notes[name]
        }
        return try builder.build()
    }

    /// The layer of the code. A large one may be from when all were compressed as a whole.
    private func layer(of image: OCI.Image, _ module: CheckedModule, _ caches: CodeCaches) async throws -> Layer {
        let entries = plan.layer(module, caches)
        let layer = try await Layer.make(entries, spool: spool)
        guard let stored = image.manifest.layers.last, layer.descriptor != stored,
            layer.diffID == image.config.rootfs.diffIDs.last
        else { return layer }
        let former = try await Layer.make(entries, spool: spool, framing: .whole)
        return former.descriptor.digest == stored.digest ? former : layer
    }

    /// The image without its last layer.
    private func ground(of image: OCI.Image) throws -> OCI.Image {
        var config = image.config
        config.rootfs.diffIDs.removeLast()
        config.history?.removeLast()
        let configBytes = try CanonicalJSON.encode(config)
        let manifest = Manifest(
            config: Descriptor(describing: configBytes, as: .config), layers: image.manifest.layers.dropLast())
        return try OCI.Image(
            manifestBytes: try CanonicalJSON.encode(manifest), mediaType: .manifest, configBytes: configBytes)
    }
}

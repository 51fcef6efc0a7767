import Contract
import OCI

/// A revision's image, and what it takes to make it again.
struct Remake: Sendable {
    /// The image as it is stored.
    let image: OCI.Image
    /// What it was made from.
    let source: DeployedSource
    /// What it says of itself.
    let notes: ImageNotes
    /// The plan by which it is made again.
    let plan: BuildPlan
    /// How containers of the base image run.
    private let execution: ImageConfig.Execution
    private let spool: SpoolDirectory?

    /// Reads the image `digest` of `repository`. Throws as ``DeployedSource`` does.
    init(_ digest: Digest, in repository: String, of registry: Registry, spool: SpoolDirectory?) async throws {
        self.spool = spool
        image = try await registry.image(repository, .digest(digest))
        notes = ImageNotes(image)
        guard let code = image.manifest.layers.last, let base = notes.base else {
            throw BuilderError(.image, "The image \(digest) does not say on which base image it stands.")
        }
        let bytes = try await registry.blob(repository, code, limit: DeployedSource.limit.compressed, spool: spool)
        source = try await DeployedSource(image, code: bytes, spool: spool)
        plan = try BuildPlan(base: base, source.source, language: source.language)
        execution = try await Self.execution(on: base, of: registry)
    }

    /// How containers of the base image `digest` run; when it has been collected, how those of Kiln's own do.
    private static func execution(on digest: Digest, of registry: Registry) async throws -> ImageConfig.Execution {
        do throws(OCIError) {
            let base = try await registry.image(registry.endpoint.repositories.base, .digest(digest))
            return base.config.config ?? BaseRecipe.execution
        } catch {
            guard error.code == .notFound else { throw error }
            return BaseRecipe.execution
        }
    }

    /// The image, made again of what the checker made of the source now: its code and its configuration. What is below the code is taken as it
    /// is, for it is named by its digests, and was not made of the source.
    func made(_ module: CheckedModule, _ caches: CodeCaches) async throws -> OCI.Image {
        var builder = ImageBuilder(
            on: .init(try ground(), name: notes.baseName),
            steps: [.init(try await layer(module, caches), createdBy: "kiln: code")])
        builder.execution = plan.execution(module, on: execution)
        builder.annotations = try plan.annotations(module, deno: notes[ImageNotes.deno])
        builder.annotations["org.opencontainers.image.base.digest"] = plan.base.description
        // They belong to what is taken as it is.
        for name in [DependencyImage.lockAnnotation, DependencyImage.importsAnnotation] {
            builder.annotations[name] = notes[name]
        }
        return try builder.build()
    }

    /// The layer of the code. A large one may be from when all were compressed as a whole.
    private func layer(_ module: CheckedModule, _ caches: CodeCaches) async throws -> Layer {
        let entries = plan.layer(module, caches)
        let layer = try await Layer.make(entries, spool: spool)
        guard let stored = image.manifest.layers.last, layer.descriptor != stored,
            layer.diffID == image.config.rootfs.diffIDs.last
        else { return layer }
        let former = try await Layer.make(entries, spool: spool, framing: .whole)
        return former.descriptor.digest == stored.digest ? former : layer
    }

    /// The image without its last layer.
    private func ground() throws -> OCI.Image {
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

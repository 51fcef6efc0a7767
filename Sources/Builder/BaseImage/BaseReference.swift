import Contract
import OCI

/// A base image that somebody else has made: an image with Deno at `/usr/bin/deno`, in any registry.
///
/// Docker's or OCI's types, an index or one manifest: its layers stay what they are, byte for byte, and Kiln's scripts come on top. It is
/// taken into the repository of base images once, so that functions do not need the other registry any more.
package struct BaseReference: Sendable {
    /// Where Deno has to be in it.
    static let program = "usr/bin/deno"
    /// Most bytes of a layer, unpacked.
    private static let maximumLayer = 4 << 30

    /// The image, by a tag or a digest.
    package let reference: ImageReference
    /// What functions are made for.
    private let platforms: [Platform]
    private let source: Registry

    /// The image `reference`, which is in `source`, for `platforms`: this machine's and perhaps others.
    package init(_ reference: ImageReference, in source: Registry, platforms: [Platform] = [.host]) {
        self.reference = reference
        self.platforms = platforms
        self.source = source
    }

    /// The base image made of it: the one in `registry` that was made from the same image, or else a new one. A tag is looked up each
    /// time. Throws `recipe` for an image that has no Deno, or is not for all platforms, and `OCIError`.
    func ensure(
        in registry: Registry, cache: BlobCache, progress: @Sendable (String) -> Void
    ) async throws -> BaseImage {
        let found = try await found()
        let tag = try "b-" + inputDigest(found).hex
        if let known = try await BaseImage.stored(tag, in: registry) { return known }
        progress("Fetching the base image \(reference) …")
        var made: [OCI.Image] = []
        for image in found.images {
            for layer in image.manifest.layers { try await source.fetch(reference.repository, layer, into: cache) }
            guard try await Self.hasDeno(image, cache) else {
                let place = found.isIndex ? " for \(image.config.platform)" : ""
                throw BuilderError(
                    .recipe,
                    "The base image \(reference)\(place) has no program /\(Self.program): name an image with Deno there, e.g. a Debian variant of "
                        + "denoland/deno.")
            }
            try await provide(image, in: registry, cache)
            made.append(try self.made(of: image, cache))
        }
        return try await BaseImage.store(try joined(made, found), tag, in: registry, progress: progress)
    }

    /// The image for the platforms: the machine's own as it is, or of several a part of the index that it is. Throws `recipe` when it is not for all.
    private func found() async throws -> MultiPlatformImage {
        guard platforms.count > 1 else {
            return MultiPlatformImage(try await source.image(reference.repository, reference.selector))
        }
        let whole = try await source.images(reference.repository, reference.selector)
        let images = try platforms.map { platform throws(BuilderError) in
            guard let image = whole.image(for: platform) else {
                throw BuilderError(
                    .recipe,
                    "The base image \(reference) is not for \(platform), which --platforms names: it is for "
                        + "\(whole.platforms.map(\.description).joined(separator: ", ")). Name an image that is for all of them."
                )
            }
            return image
        }
        return try MultiPlatformImage(images)
    }

    /// What was made of each platform's image, under an index that says what it was made of.
    private func joined(_ made: [OCI.Image], _ found: MultiPlatformImage) throws -> MultiPlatformImage {
        guard made.count > 1 else { return try MultiPlatformImage(made) }
        let own = made.first { Platform.host.runs($0.config.platform) } ?? made[0]
        let version = own.manifest.annotations?[BaseTags.versionAnnotation] ?? BaseImage.otherVersion
        return try MultiPlatformImage(
            made,
            annotations: [
                "org.opencontainers.image.base.name": reference.description, BaseTags.versionAnnotation: version,
            ])
    }

    private func inputDigest(_ found: MultiPlatformImage) throws -> Digest {
        var hash = InputHash()
        hash.add("kiln base of an image \(BaseRecipe.format)")
        for image in found.images { hash.add(image.digest.description) }
        hash.add(try BaseRecipe(steps: [BaseRecipe.platformStep]).inputDigest().description)
        return hash.digest()
    }

    /// Brings the layers into the repository of base images: by mounting them, where that is the same registry.
    private func provide(_ image: OCI.Image, in registry: Registry, _ cache: BlobCache) async throws {
        let (base, isSame) = (registry.endpoint.repositories.base, source.endpoint.name == registry.endpoint.name)
        for layer in image.manifest.layers {
            if isSame, try await registry.mount(layer.digest, to: base, from: reference.repository) { continue }
            try await registry.push(.file(cache.path(of: layer.digest)), layer, to: base)
        }
    }

    private func made(of image: OCI.Image, _ cache: BlobCache) throws(OCIError) -> OCI.Image {
        let step = BaseRecipe.platformStep
        var builder = ImageBuilder(
            on: .init(image, name: reference.description),
            steps: [.init(try Layer(step.entries, in: cache), createdBy: step.createdBy)])
        let inherited = image.config.config?.environment ?? []
        var execution = BaseRecipe.execution
        for line in inherited where line.contains("=") {
            let name = String(line.prefix { $0 != "=" })
            guard !(execution.environment ?? []).contains(where: { $0.hasPrefix(name + "=") }) else { continue }
            execution.setEnvironment(name, String(line.dropFirst(name.count + 1)))
        }
        builder.execution = execution
        let said = inherited.first { $0.hasPrefix("DENO_VERSION=") }.map { String($0.dropFirst("DENO_VERSION=".count)) }
        let version = image.manifest.annotations?[BaseTags.versionAnnotation] ?? said
        builder.annotations[BaseTags.versionAnnotation] = version ?? BaseImage.otherVersion
        return try builder.build()
    }

    /// Whether a layer has Deno where functions start it. Reads some 100 MB: away from the caller's executor.
    @concurrent
    private static func hasDeno(_ image: OCI.Image, _ cache: BlobCache) async throws(OCIError) -> Bool {
        for layer in image.manifest.layers.reversed() {
            let content = BlobContent.file(cache.path(of: layer.digest))
            if try LayerSearch.finds(program, in: content, layer, maximumSize: maximumLayer) { return true }
        }
        return false
    }
}

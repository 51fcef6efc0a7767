import Contract
import FoundationEssentials
import OCI

/// The base image as it is in the registry.
package struct BaseImage: Sendable {
    /// Its documents: of several platforms those of the Builder's own.
    package let image: OCI.Image
    /// It for all platforms that functions are made for.
    package let all: MultiPlatformImage
    /// Where it is, by digest.
    package let pinned: PinnedImage

    /// The base image `image` of `registry`.
    package init(image: OCI.Image, registry: Registry) {
        self.init(image, all: MultiPlatformImage(image), registry: registry)
    }

    /// The base image `all` of `registry`, for one platform or several. Throws ``BuilderError`` `recipe` when this machine's is not among them.
    package init(_ all: MultiPlatformImage, registry: Registry) throws(BuilderError) {
        guard let image = all.image(for: .host) else {
            throw BuilderError(.recipe, "The base image \(all.digest) is not for \(Platform.host).")
        }
        self.init(image, all: all, registry: registry)
    }

    private init(_ image: OCI.Image, all: MultiPlatformImage, registry: Registry) {
        self.image = image
        self.all = all
        let endpoint = registry.endpoint
        pinned = PinnedImage(registry: endpoint.name, repository: endpoint.repositories.base, digest: all.digest)
    }

    /// Its digest: of several platforms that of the index.
    package var digest: Digest { pinned.digest }

    /// A base image for another platform than the Builder's.
    struct Other: Sendable {
        /// Its documents.
        let image: OCI.Image
        /// Whether its Deno is known to be of the same version as the Builder's own.
        let isSameDeno: Bool
    }

    /// It for the other platforms.
    var others: [Other] {
        let deno = Self.deno(in: image)
        return all.images.filter { $0.digest != image.digest }
            .map { Other(image: $0, isSameDeno: deno != nil && Self.deno(in: $0) == deno) }
    }

    /// What it is for, e.g. `linux/amd64,linux/arm64`.
    var platforms: String { all.platforms.map(\.description).joined(separator: ",") }

    /// What a base image says of a Deno whose version it does not know.
    static let otherVersion = "other"

    /// The version of Deno in it, as far as it says so.
    package var version: String? { image.manifest.annotations?[BaseTags.versionAnnotation] }

    /// The version of Deno in the base image `image` for what is said of images on it; `nil` when it is not known.
    static func deno(in image: OCI.Image) -> String? {
        let version = image.manifest.annotations?[BaseTags.versionAnnotation] ?? BaseRecipe.denoVersion
        return version == otherVersion ? nil : version
    }

    /// Its name in what images say of their base: the same in every registry, for it is part of their content.
    package var name: String { Self.name(of: image) }

    /// The name of the base image `image`.
    static func name(of image: OCI.Image) -> String {
        "kiln/base:\(image.manifest.annotations?[BaseTags.versionAnnotation] ?? BaseRecipe.denoVersion)"
    }

    /// The image of `recipe`: the one in the registry that was made from the same input, or else a new one, baked in
    /// `cache` and pushed. `progress` is told what takes a while, one sentence at a time.
    package static func ensure(
        _ recipe: BaseRecipe, in registry: Registry, cache: BlobCache, progress: @Sendable (String) -> Void
    ) async throws -> BaseImage {
        let tag = try await "b-" + digest(of: recipe).hex
        if let known = try await stored(tag, in: registry) { return known }
        progress("Baking the base image with Deno \(BaseRecipe.denoVersion) …")
        let image = MultiPlatformImage(try await bake(recipe, cache))
        return try await store(image, tag, in: registry, progress: progress)
    }

    /// The base image that `tag` is of, now the one for new deploys; `nil` when there is none.
    static func stored(_ tag: String, in registry: Registry) async throws -> BaseImage? {
        let repository = registry.endpoint.repositories.base
        guard let known = try await registry.descriptor(repository, .tag(tag)) else { return nil }
        let base = try await BaseImage(registry.images(repository, .digest(known.digest)), registry: registry)
        try await base.makeCurrent(in: registry)
        return base
    }

    /// Pushes `image` as the base image for new deploys.
    static func store(
        _ image: MultiPlatformImage, _ tag: String, in registry: Registry, progress: @Sendable (String) -> Void
    ) async throws -> BaseImage {
        let repository = registry.endpoint.repositories.base
        let size = image.images.flatMap(\.manifest.layers).reduce(0) { $0 + $1.size }
        progress("Pushing the base image to the registry (\(size >> 20) MiB) …")
        let base = try BaseImage(image, registry: registry)
        let version = base.version.flatMap { ImageReference.isTag($0) ? $0 : nil }
        let since = BaseTags.since(Int64(Date().timeIntervalSince1970))
        // The tag by which it is found comes when all else is there.
        try await registry.push(image, to: repository, tags: [since] + [version].compactMap(\.self) + [tag])
        try await base.makeCurrent(in: registry)
        return base
    }

    private func makeCurrent(in registry: Registry) async throws {
        let current = try await registry.descriptor(pinned.repository, .tag(BaseTags.current))
        guard current?.digest != digest else { return }
        try await registry.tag(pinned.repository, digest, as: BaseTags.current)
    }

    /// Reads some 100 MB: away from the caller's executor.
    @concurrent
    private static func digest(of recipe: BaseRecipe) async throws(BuilderError) -> Digest { try recipe.inputDigest() }

    /// Compresses some 100 MB: away from the caller's executor.
    @concurrent
    private static func bake(_ recipe: BaseRecipe, _ cache: BlobCache) async throws -> OCI.Image {
        var steps: [ImageBuilder.Step] = []
        for step in recipe.steps {
            steps.append(.init(try Layer(step.entries, in: cache), createdBy: step.createdBy))
        }
        var version = BaseRecipe.denoVersion
        if let deno = recipe.warmingDeno {
            let caches = try await BaseCaches(deno: deno).make()
            steps.append(.init(try Layer(caches.entries, in: cache), createdBy: "kiln: caches"))
            version = caches.version
        }
        var builder = ImageBuilder(steps: steps)
        builder.execution = BaseRecipe.execution
        builder.annotations = [BaseTags.versionAnnotation: version]
        return try builder.build()
    }
}

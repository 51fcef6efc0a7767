import Contract
import OCI

/// The base image as it is in the registry.
package struct BaseImage: Sendable {
    /// Its name in what images say of their base: the same in every registry, for it is part of their content.
    package static let name = "kiln/base:\(BaseRecipe.denoVersion)"

    /// Its documents.
    package let image: OCI.Image
    /// Where it is, by digest.
    package let pinned: PinnedImage

    /// The base image `image` of `registry`.
    package init(image: OCI.Image, registry: Registry) {
        self.image = image
        let endpoint = registry.endpoint
        pinned = PinnedImage(registry: endpoint.name, repository: endpoint.repositories.base, digest: image.digest)
    }

    /// The image of `recipe`: the one in the registry that was made from the same input, or else a new one, baked in
    /// `cache` and pushed. `progress` is told what takes a while, one sentence at a time.
    package static func ensure(
        _ recipe: BaseRecipe, in registry: Registry, cache: BlobCache, progress: @Sendable (String) -> Void
    ) async throws -> BaseImage {
        let repository = registry.endpoint.repositories.base
        let tag = try await "b-" + digest(of: recipe).hex
        if try await registry.descriptor(repository, .tag(tag)) != nil {
            return try await BaseImage(image: registry.image(repository, .tag(tag)), registry: registry)
        }
        progress("Baking the base image with Deno \(BaseRecipe.denoVersion) …")
        let image = try await bake(recipe, cache)
        let size = image.manifest.layers.reduce(0) { $0 + $1.size }
        progress("Pushing the base image to the registry (\(size >> 20) MiB) …")
        try await registry.push(image, to: repository, tags: [tag, BaseRecipe.denoVersion])
        return BaseImage(image: image, registry: registry)
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
        if let deno = recipe.warmingDeno {
            let entries = try await BaseCaches(deno: deno).entries()
            steps.append(.init(try Layer(entries, in: cache), createdBy: "kiln: caches"))
        }
        var builder = ImageBuilder(steps: steps)
        builder.execution = BaseRecipe.execution
        return try builder.build()
    }
}

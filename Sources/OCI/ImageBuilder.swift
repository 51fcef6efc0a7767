internal import Contract

/// Puts layers on a base image.
///
/// The base's layers stay byte for byte what they are, at the bottom and in order, so that a machine that has the base
/// fetches only what is new. A base in Docker's types becomes an OCI image: only the type names change, no digest does.
/// Everything is dated to the epoch: equal input gives an equal digest.
package struct ImageBuilder: Sendable {
    /// An image to build on.
    package struct Base: Sendable {
        /// The image.
        package let image: Image
        /// Its name for people, e.g. `registry/kiln/base:2.9.8`; becomes the annotation
        /// `org.opencontainers.image.base.name`.
        package let name: String?

        /// `image`, known as `name`.
        package init(_ image: Image, name: String? = nil) {
            self.image = image
            self.name = name
        }
    }

    /// A layer, and how it came to be.
    package struct Step: Sendable {
        /// The layer.
        package let layer: Layer
        /// What made it, for the history; the same for every function, or identical layers would make different images.
        package let createdBy: String

        /// `layer`, made by `createdBy`.
        package init(_ layer: Layer, createdBy: String) {
            self.layer = layer
            self.createdBy = createdBy
        }
    }

    /// What to build on; `nil` builds from nothing.
    package var base: Base?
    /// The layers to add, lowest first.
    package var steps: [Step]
    /// What the image runs on, when there is no base.
    package var platform: Platform
    /// Notes for the manifest; they go before what is said of the base by itself.
    package var annotations: [String: String]
    /// How containers run. Starts as the base says.
    package var execution: ImageConfig.Execution

    /// Builds on `base`.
    package init(on base: Base? = nil, platform: Platform = .host, steps: [Step] = []) {
        self.base = base
        self.platform = base?.image.config.platform ?? platform
        self.steps = steps
        annotations = [:]
        execution = base?.image.config.config ?? ImageConfig.Execution()
    }

    /// The image. Throws when the base has other than OCI or Docker types.
    package func build() throws(OCIError) -> Image {
        var config = ImageConfig(platform: platform)
        config.created = ImageConfig.epoch
        config.config = execution
        config.rootfs.diffIDs = (base?.image.config.rootfs.diffIDs ?? []) + steps.map(\.layer.diffID)
        config.history =
            baseHistory() + steps.map { ImageConfig.History(created: ImageConfig.epoch, createdBy: $0.createdBy) }
        let configBytes = try CanonicalJSON.encode(config)
        let manifest = Manifest(
            config: Descriptor(describing: configBytes, as: .config),
            layers: try baseLayers() + steps.map(\.layer.descriptor), annotations: allAnnotations())
        return try Image(manifest, config: config, configBytes: configBytes, newLayers: steps.map(\.layer))
    }

    /// The base's layers under their OCI names: mixing them with Docker's in one manifest is not allowed.
    private func baseLayers() throws(OCIError) -> [Descriptor] {
        var layers = base?.image.manifest.layers ?? []
        for index in layers.indices {
            layers[index].mediaType = layers[index].mediaType.oci
            guard layers[index].mediaType.isLayer else {
                throw OCIError(
                    .unsupported,
                    "The base image has a layer of type \(layers[index].mediaType); tar and gzipped tar are known.")
            }
        }
        return layers
    }

    /// The base's history, or one in its place if it does not tell of exactly its layers (OCI image-spec, config.md
    /// "history").
    private func baseHistory() -> [ImageConfig.History] {
        guard let config = base?.image.config else { return [] }
        let history = config.history ?? []
        let layers = config.rootfs.diffIDs.count
        if history.count(where: { $0.emptyLayer != true }) == layers { return history }
        return Array(repeating: ImageConfig.History(created: ImageConfig.epoch, createdBy: "base image"), count: layers)
    }

    private func allAnnotations() -> [String: String]? {
        var all: [String: String] = [:]
        if let base {
            all["org.opencontainers.image.base.digest"] = base.image.digest.description
            all["org.opencontainers.image.base.name"] = base.name
        }
        all.merge(annotations) { $1 }
        return all.isEmpty ? nil : all
    }
}

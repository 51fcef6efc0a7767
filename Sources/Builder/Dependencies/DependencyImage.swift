import Contract
import OCI

/// The base image with the layers of what a function imports: what its code is put on.
///
/// It is in the function's repository under a tag made from the set of imports and the lock that it keeps. So a change of the
/// function's code finds it, whichever Builder makes the next image and however often Kiln is upgraded, and pushes only the code.
package struct DependencyImage: Sendable {
    /// The annotation with the lock.
    static let lockAnnotation = "dev.kiln.lock"
    /// The annotation of a function's image with the tag of the image of its dependencies, which garbage collection keeps.
    static let importsAnnotation = "dev.kiln.imports"
    /// The annotation with the place of the dependencies among the layers' digests.
    static let layerAnnotation = "dev.kiln.dependencies.layer"
    /// The annotation with the place of what Deno made of them: compiled code, analyses.
    static let derivedAnnotation = "dev.kiln.dependencies.caches"

    /// The base's layers and the dependencies'.
    let image: OCI.Image
    /// What was resolved.
    package let lock: DenoLock
    /// Tags under which it is yet to be stored.
    var newTags: [String] = []
    /// Whether it has what the base's Deno makes of the modules, or could not have it.
    let isOfThisDeno: Bool
    /// The dependencies' layer; without content when it was read from the registry.
    let layer: Layer

    /// Puts the layers of `modules` and of what Deno made of them, `derived`, on `base`.
    init(base: OCI.Image, modules: [LayerEntry], derived: [LayerEntry], lock: DenoLock) throws {
        layer = try Layer(modules, compression: .balanced)
        let caches = derived.isEmpty ? nil : try Layer(derived, compression: .balanced)
        image = try Self.assemble(base: base, layer: layer, derived: caches, lock: lock)
        self.lock = lock
        isOfThisDeno = true
    }

    /// The image as it was read from the registry, on `base` now; throws when it is none of these.
    ///
    /// What another Deno made is left out: its databases would hide those of the base.
    init(_ stored: OCI.Image, base: OCI.Image) throws {
        guard let text = stored.manifest.annotations?[Self.lockAnnotation],
            let layer = Self.layer(Self.layerAnnotation, of: stored)
        else { throw BuilderError(.dependencies, "The image of the function's dependencies is damaged.") }
        lock = try DenoLock(text)
        self.layer = layer
        // The base's first layer is Deno.
        isOfThisDeno = stored.manifest.layers.first?.digest == base.manifest.layers.first?.digest
        let derived = isOfThisDeno ? Self.layer(Self.derivedAnnotation, of: stored) : nil
        image = try Self.assemble(base: base, layer: layer, derived: derived, lock: lock).stored
    }

    /// The layer of a stored image whose digest is the value of an annotation; without content.
    private static func layer(_ annotation: String, of stored: OCI.Image) -> Layer? {
        guard let digest = stored.manifest.annotations?[annotation],
            let index = stored.manifest.layers.firstIndex(where: { $0.digest.description == digest })
        else { return nil }
        return Layer(
            descriptor: stored.manifest.layers[index], diffID: stored.config.rootfs.diffIDs[index], content: .bytes([]))
    }

    private static func assemble(base: OCI.Image, layer: Layer, derived: Layer?, lock: DenoLock) throws -> OCI.Image {
        var builder = ImageBuilder(
            on: .init(base, name: BaseImage.name(of: base)),
            steps: [.init(layer, createdBy: "kiln: dependencies")]
                + (derived.map { [.init($0, createdBy: "kiln: caches of dependencies")] } ?? []))
        builder.annotations = [
            lockAnnotation: String(decoding: try lock.baked(), as: UTF8.self),
            layerAnnotation: layer.descriptor.digest.description,
        ]
        builder.annotations[derivedAnnotation] = derived?.descriptor.digest.description
        return try builder.build()
    }

    /// Notes for the manifest of a function on this image: the lock, with all versions and digests.
    var annotations: [String: String] {
        get throws(OCIError) { [Self.lockAnnotation: String(decoding: try lock.baked(), as: UTF8.self)] }
    }

    /// What the function's image `image` has baked, see ``DenoLock/names()``.
    static func names(in image: OCI.Image) throws(BuilderError) -> [String] {
        guard let text = image.manifest.annotations?[lockAnnotation] else { return [] }
        return try DenoLock(text).names()
    }

    /// The tag for a set of imports, resolved beginning with the lock that has the digest `lock`; without one, the newest versions.
    static func tag(_ imports: [ExternalImport], lock: Digest?) -> String {
        let key = ExternalImport.key(of: imports)
        guard let lock else { return "d-" + key.hex }
        var hash = InputHash()
        hash.add(key.description)
        hash.add(lock.description)
        return "d-" + hash.digest().hex
    }
}

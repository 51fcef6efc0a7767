import Contract
import OCI

/// The base image with the layer of what a function imports: what its code is put on.
///
/// It is in the function's repository under a tag made from the set of imports. So the function keeps its versions as
/// long as it imports the same, whichever Builder makes the next image and however often Kiln is upgraded, and a change
/// of its code pushes only the code.
package struct DependencyImage: Sendable {
    /// The annotation with the lock.
    static let lockAnnotation = "dev.kiln.lock"
    /// The annotation of a function's image with the tag of the image of its dependencies, which garbage collection keeps.
    static let importsAnnotation = "dev.kiln.imports"
    /// The annotation with the place of the dependencies among the layers' digests.
    static let layerAnnotation = "dev.kiln.dependencies.layer"

    /// The base's layers and the dependencies'.
    let image: OCI.Image
    /// What was resolved.
    package let lock: DenoLock
    /// The dependencies' layer; without content when it was read from the registry.
    let layer: Layer

    /// Puts the layer of `entries` on `base`.
    init(base: OCI.Image, entries: [LayerEntry], lock: DenoLock) throws {
        let layer = try Layer(entries, compression: .balanced)
        image = try Self.assemble(base: base, layer: layer, isNew: true, lock: lock)
        self.lock = lock
        self.layer = layer
    }

    /// The image as it was read from the registry, on `base` now; throws when it is none of these.
    init(_ stored: OCI.Image, base: OCI.Image) throws {
        let annotations = stored.manifest.annotations ?? [:]
        guard let text = annotations[Self.lockAnnotation],
            let index = stored.manifest.layers.firstIndex(where: {
                $0.digest.description == annotations[Self.layerAnnotation]
            })
        else { throw BuilderError(.dependencies, "The image of the function's dependencies is damaged.") }
        lock = try DenoLock(text)
        layer = Layer(
            descriptor: stored.manifest.layers[index], diffID: stored.config.rootfs.diffIDs[index], content: .bytes([]))
        image = try Self.assemble(base: base, layer: layer, isNew: false, lock: lock)
    }

    private static func assemble(base: OCI.Image, layer: Layer, isNew: Bool, lock: DenoLock) throws -> OCI.Image {
        var builder = ImageBuilder(
            on: .init(base, name: "\(BaseImage.repository):\(BaseRecipe.denoVersion)"),
            steps: [.init(layer, createdBy: "kiln: dependencies")])
        builder.annotations = [
            lockAnnotation: String(decoding: try lock.baked(), as: UTF8.self),
            layerAnnotation: layer.descriptor.digest.description,
        ]
        let image = try builder.build()
        return isNew ? image : image.stored
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

    /// The tag for a set of imports.
    static func tag(_ imports: [ExternalImport]) -> String { "d-" + ExternalImport.key(of: imports).hex }
}

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
    /// The same for the base image's other platforms, in their order.
    let others: [OCI.Image]
    /// What was resolved.
    package let lock: DenoLock
    /// Tags under which it is yet to be stored.
    var newTags: [String] = []
    /// Whether it has what the base's Deno makes of the modules, or could not have it.
    let isOfThisDeno: Bool
    /// The dependencies' layer; without content when it was read from the registry.
    let layer: Layer

    /// Puts `content` on `base`, and on its other platforms `others`, where `nil` stands for the same packages. What Deno made of the modules goes with it:
    /// elsewhere what serves on any processor, if the Deno there is the same.
    init(base: BaseImage, _ content: DependencyLayer, others: [DependencyLayer?], lock: DenoLock) throws {
        let layer = try Layer(content.modules, compression: .balanced)
        image = try Self.assemble(
            base: base.image, layer: layer, derived: try Self.caches(content.derived), lock: lock)
        let portable = try Self.caches(content.portable)
        self.others = try zip(base.others, others).map { base, other in
            let own = try other.map { try Layer($0.modules, compression: .balanced) } ?? layer
            return try Self.assemble(
                base: base.image, layer: own, derived: base.isSameDeno ? portable : nil, lock: lock)
        }
        self.layer = layer
        self.lock = lock
        isOfThisDeno = true
    }

    private static func caches(_ entries: [LayerEntry]) throws(OCIError) -> Layer? {
        entries.isEmpty ? nil : try Layer(entries, compression: .balanced)
    }

    /// The image as it was read from the registry, on `base` now; `nil` when it does not have what another platform needs. Throws when it is none of these.
    ///
    /// What another Deno made is left out: its databases would hide those of the base.
    init?(_ stored: MultiPlatformImage, base: BaseImage) throws {
        guard let own = stored.image(for: .host) else { return nil }
        guard let text = own.manifest.annotations?[Self.lockAnnotation],
            let layer = Self.layer(Self.layerAnnotation, of: own)
        else { throw BuilderError(.dependencies, "The image of the function's dependencies is damaged.") }
        let lock = try DenoLock(text)
        var isOfThisDeno = true
        func image(_ base: OCI.Image, _ stored: OCI.Image, _ layer: Layer) throws -> OCI.Image {
            // The base's first layer is Deno.
            let isSame = stored.manifest.layers.first?.digest == base.manifest.layers.first?.digest
            if !isSame { isOfThisDeno = false }
            let derived = isSame ? Self.layer(Self.derivedAnnotation, of: stored) : nil
            return try Self.assemble(base: base, layer: layer, derived: derived, lock: lock).stored
        }
        self.image = try image(base.image, own, layer)
        let systems = base.others.isEmpty ? nil : LockedSystems(lock)
        var others: [OCI.Image] = []
        for other in base.others.map(\.image) {
            let platform = other.config.platform
            if let there = stored.image(for: platform), let layer = Self.layer(Self.layerAnnotation, of: there) {
                others.append(try image(other, there, layer))
            } else {
                // It is from when images were made for fewer platforms: the same packages do for this one, if it takes the same.
                guard systems?.packages(on: platform) == systems?.packages(on: .host) else { return nil }
                others.append(try image(other, own, layer))
                isOfThisDeno = false
            }
        }
        self.others = others
        self.lock = lock
        self.layer = layer
        self.isOfThisDeno = isOfThisDeno
    }

    /// It for all platforms, as it is stored.
    var all: MultiPlatformImage {
        get throws(OCIError) { try MultiPlatformImage([image] + others) }
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

    /// What the function's image with the notes `annotations` has baked, see ``DenoLock/names()``.
    static func names(in annotations: [String: String]?) throws(BuilderError) -> [String] {
        guard let text = annotations?[lockAnnotation] else { return [] }
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

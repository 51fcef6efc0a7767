package import Contract

/// An image for one platform or several, as it is referred to: by its manifest, or by the index over one manifest for each platform.
package struct MultiPlatformImage: Sendable, Hashable {
    /// The images, one for each platform, ordered by its name.
    package let images: [Image]
    /// What the image is referred to by: its manifest, or the index.
    package let descriptor: Descriptor
    /// The document of ``descriptor``.
    package let bytes: [UInt8]
    /// The notes of that document.
    package let annotations: [String: String]?

    /// Whether there is an index.
    package var isIndex: Bool { descriptor.mediaType.isIndex }
    /// The digest that it is referred to by.
    package var digest: Digest { descriptor.digest }
    /// What it runs on.
    package var platforms: [Platform] { images.map(\.config.platform) }

    /// The one image `image`.
    package init(_ image: Image) {
        images = [image]
        descriptor = image.descriptor
        bytes = image.manifestBytes
        annotations = image.manifest.annotations
    }

    /// `images`, each for another platform: one as it is, several under a new index. The order does not matter: equal images make the same
    /// index. It has `annotations` beside those in which all images agree. Throws `unsupported` for two of the same platform.
    package init(_ images: [Image], annotations: [String: String] = [:]) throws(OCIError) {
        if images.count == 1, let image = images.first {
            self.init(image)
            return
        }
        let images = images.sorted { $0.config.platform.description < $1.config.platform.description }
        guard let first = images.first, Set(images.map(\.config.platform)).count == images.count else {
            throw OCIError(.unsupported, "An index needs images, each for another platform.")
        }
        var notes = (first.manifest.annotations ?? [:]).filter { note in
            images.allSatisfy { $0.manifest.annotations?[note.key] == note.value }
        }
        notes.merge(annotations) { $1 }
        let manifests = images.map { image in
            var descriptor = image.descriptor
            descriptor.platform = image.config.platform
            return descriptor
        }
        let bytes = try CanonicalJSON.encode(Index(manifests: manifests, annotations: notes.isEmpty ? nil : notes))
        guard bytes.count <= Manifest.maximumSize else {
            throw OCIError(.tooLarge, "The index has \(bytes.count) bytes; registries take \(Manifest.maximumSize).")
        }
        self.init(images, Descriptor(describing: bytes, as: .index), bytes, notes)
    }

    /// The images that are in the index `bytes`, as they were read.
    init(_ images: [Image], _ descriptor: Descriptor, _ bytes: [UInt8], _ annotations: [String: String]?) {
        self.images = images
        self.descriptor = descriptor
        self.bytes = bytes
        self.annotations = annotations
    }

    /// The image that runs on `platform`: of the same variant if there is that; `nil` for none.
    package func image(for platform: Platform) -> Image? {
        let matching = images.filter { platform.runs($0.config.platform) }
        return matching.first { $0.config.platform == platform } ?? matching.first
    }
}

extension Index {
    /// The platforms that it names, for people: `linux/amd64, linux/arm64`. What is no platform's image (`unknown/unknown`) is left out.
    var platformNames: String {
        let names = manifests.compactMap(\.platform).filter { $0.os != "unknown" }.map(\.description)
        return names.isEmpty ? "none that it names" : names.joined(separator: ", ")
    }
}

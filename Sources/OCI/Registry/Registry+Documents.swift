package import Contract

/// An image as a registry keeps it: one manifest, or an index with the manifests of several platforms.
package struct ImageDocuments: Sendable, Hashable {
    /// A manifest.
    package struct Document: Sendable, Hashable {
        /// Its type, digest and size.
        package let descriptor: Descriptor
        /// What it says.
        package let manifest: Manifest
        /// Its bytes.
        package let bytes: [UInt8]

        init(_ bytes: [UInt8], as type: MediaType) throws(OCIError) {
            descriptor = Descriptor(describing: bytes, as: type)
            manifest = try CanonicalJSON.decode(Manifest.self, from: bytes, what: "The manifest \(descriptor.digest)")
            self.bytes = bytes
        }
    }

    /// Most manifests of an index that are read.
    package static let mostManifests = 64

    /// What the image is referred to by: the index, or the manifest.
    package let descriptor: Descriptor
    /// Its bytes.
    package let bytes: [UInt8]
    /// The manifests: those of the index in its order, or the one.
    package let manifests: [Document]
    /// The index's notes, or the manifest's.
    package let annotations: [String: String]?

    /// Whether there is an index over the manifests.
    package var isIndex: Bool { descriptor.mediaType.isIndex }

    /// Reads the image whose document is `bytes`, of `type` unless it says another; `read` gives the manifests that an index names. Throws
    /// `unsupported` for an index of indexes, and for one of more than ``mostManifests``.
    package init(
        _ bytes: [UInt8], as type: MediaType? = nil, reading read: (Descriptor) async throws(OCIError) -> [UInt8]
    ) async throws(OCIError) {
        let said = try CanonicalJSON.decode(TypedDocument.self, from: bytes, what: "The manifest").mediaType
        let type = said ?? type ?? .manifest
        self.bytes = bytes
        descriptor = Descriptor(describing: bytes, as: type)
        guard type.isIndex else {
            let document = try Document(bytes, as: type)
            manifests = [document]
            annotations = document.manifest.annotations
            return
        }
        let index = try CanonicalJSON.decode(Index.self, from: bytes, what: "The index \(descriptor.digest)")
        guard index.manifests.count <= Self.mostManifests, index.manifests.allSatisfy({ !$0.mediaType.isIndex }) else {
            throw OCIError(
                .unsupported,
                "The index \(descriptor.digest) names other indexes, or more than \(Self.mostManifests) manifests.")
        }
        var manifests: [Document] = []
        for named in index.manifests { manifests.append(try Document(try await read(named), as: named.mediaType)) }
        self.manifests = manifests
        annotations = index.annotations
    }
}

/// What a manifest or an index says of its own type.
struct TypedDocument: Decodable {
    var mediaType: MediaType?
}

extension Registry {
    /// The documents of the image `digest`, for whatever platforms; throws `notFound`.
    package func documents(_ repository: String, _ digest: Digest) async throws(OCIError) -> ImageDocuments {
        let (descriptor, bytes) = try await manifest(repository, .digest(digest))
        return try await ImageDocuments(bytes, as: descriptor.mediaType) { (named) async throws(OCIError) in
            try await self.manifest(repository, .digest(named.digest)).bytes
        }
    }
}

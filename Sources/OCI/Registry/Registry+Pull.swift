package import Contract
internal import Transfer

extension Registry {
    /// Type, digest and size of a manifest or index without its bytes; `nil` if there is none. `name` is a tag or a
    /// digest.
    package func descriptor(
        _ repository: String, _ name: ImageReference.Selector
    ) async throws(OCIError) -> Descriptor? {
        let answer = try await collect(manifestCall(.head, repository, name))
        switch answer.status {
        case 200:
            guard let type = Self.mediaType(answer), let size = answer.headers["Content-Length"].flatMap({ Int($0) }),
                let digest = try Self.digest(answer, asked: name)
            else { return try await manifest(repository, name).descriptor }
            return Descriptor(mediaType: type, digest: digest, size: size)
        case 404: return nil
        default: throw refusal(answer, "\(endpoint.name)/\(repository) cannot be asked for \(name.text)")
        }
    }

    /// A manifest or index, verified; throws `notFound`.
    package func manifest(
        _ repository: String, _ name: ImageReference.Selector
    ) async throws(OCIError) -> (descriptor: Descriptor, bytes: [UInt8]) {
        let answer = try await collect(manifestCall(.get, repository, name))
        guard answer.status == 200 else {
            throw refusal(
                answer, "The manifest \(name.text) of \(endpoint.name)/\(repository) cannot be read")
        }
        let type = try CanonicalJSON.decode(TypedDocument.self, from: answer.body, what: "The manifest \(name.text)")
            .mediaType
        guard let type = type ?? Self.mediaType(answer) else {
            throw OCIError(
                .malformed, "The manifest \(name.text) of \(endpoint.name)/\(repository) does not say its type.")
        }
        let descriptor = Descriptor(describing: answer.body, as: type)
        if let claimed = try Self.digest(answer, asked: name), claimed != descriptor.digest {
            throw OCIError(
                .mismatch,
                "The manifest \(name.text) of \(endpoint.name)/\(repository) has the digest \(descriptor.digest), not \(claimed)."
            )
        }
        return (descriptor, answer.body)
    }

    /// An image's documents. Out of an index the manifest for `platform` is taken; a manifest for another platform is
    /// refused.
    package func image(
        _ repository: String, _ name: ImageReference.Selector, platform: Platform = .host
    ) async throws(OCIError) -> Image {
        var (descriptor, bytes) = try await manifest(repository, name)
        if descriptor.mediaType.isIndex {
            let index = try CanonicalJSON.decode(Index.self, from: bytes, what: "The index \(name.text)")
            guard let chosen = index.manifest(for: platform) else {
                throw OCIError(
                    .notFound,
                    "\(endpoint.name)/\(repository) has no \(name.text) for \(platform): it is for \(index.platformNames)."
                )
            }
            (descriptor, bytes) = try await manifest(repository, .digest(chosen.digest))
        }
        let image = try await image(repository, bytes, descriptor.mediaType)
        guard platform.runs(image.config.platform) else {
            throw OCIError(
                .unsupported,
                "\(endpoint.name)/\(repository) \(name.text) is for \(image.config.platform), not for \(platform).")
        }
        return image
    }

    /// An image for all of its platforms. What an index names beside them is left out: other kinds of documents, `unknown/unknown`, and a
    /// second one for the same platform.
    package func images(
        _ repository: String, _ name: ImageReference.Selector
    ) async throws(OCIError) -> MultiPlatformImage {
        let (descriptor, bytes) = try await manifest(repository, name)
        guard descriptor.mediaType.isIndex else {
            return MultiPlatformImage(try await image(repository, bytes, descriptor.mediaType))
        }
        let index = try CanonicalJSON.decode(Index.self, from: bytes, what: "The index \(name.text)")
        guard index.manifests.count <= ImageDocuments.mostManifests else {
            throw OCIError(
                .unsupported, "The index \(name.text) names more than \(ImageDocuments.mostManifests) manifests.")
        }
        var images: [Image] = []
        for named in index.manifests where named.mediaType.oci == .manifest {
            guard let platform = named.platform, platform.os != "unknown",
                !images.contains(where: { $0.config.platform == platform })
            else { continue }
            let (descriptor, bytes) = try await manifest(repository, .digest(named.digest))
            images.append(try await image(repository, bytes, descriptor.mediaType))
        }
        return MultiPlatformImage(images, descriptor, bytes, index.annotations)
    }

    /// The image whose manifest is `bytes`.
    private func image(
        _ repository: String, _ bytes: [UInt8], _ type: MediaType
    ) async throws(OCIError) -> Image {
        let manifest = try CanonicalJSON.decode(Manifest.self, from: bytes, what: "The image manifest")
        let config = try await blob(repository, manifest.config)
        return try Image(manifestBytes: bytes, mediaType: type, configBytes: config)
    }

    /// The blob's size if it is in the repository; 0 if the registry does not tell.
    package func blobSize(_ repository: String, _ digest: Digest) async throws(OCIError) -> Int? {
        let answer = try await collect(
            RegistryCall(.head, try address(repository, "blobs/\(digest)"), pulling: repository))
        switch answer.status {
        case 200:
            known.insert(digest, in: repository)
            return answer.headers["Content-Length"].flatMap { Int($0) } ?? 0
        case 404: return nil
        default: throw refusal(answer, "\(endpoint.name)/\(repository) cannot be asked for \(digest)")
        }
    }

    /// A small blob's bytes, verified.
    package func blob(
        _ repository: String, _ descriptor: Descriptor, limit: Int = 4 << 20
    ) async throws(OCIError) -> [UInt8] {
        guard descriptor.size <= limit else {
            throw OCIError(
                .tooLarge, "The blob \(descriptor.digest) has \(descriptor.size) bytes; at most \(limit) are read.")
        }
        var call = RegistryCall(.get, try address(repository, "blobs/\(descriptor.digest)"), pulling: repository)
        call.limit = limit
        let answer = try await collect(call)
        guard answer.status == 200 else { throw unreadable(answer, repository, descriptor) }
        try descriptor.verify(digest: ContentHash.digest(of: answer.body), size: answer.body.count)
        return answer.body
    }

    /// A blob's bytes, verified; those of a large one in `spool`, if there is that.
    package func blob(
        _ repository: String, _ descriptor: Descriptor, limit: Int, spool: SpoolDirectory?
    ) async throws(OCIError) -> BlobContent {
        guard let spool, descriptor.size > 1 << 20, descriptor.size <= limit else {
            return .bytes(try await blob(repository, descriptor, limit: limit))
        }
        var content = BlobContent.bytes([])
        try await repeating("fetch \(descriptor.digest)") { () async throws(OCIError) in
            var writer = SpoolWriter(spool, memory: 0)
            var hash = ContentHash()
            try await self.read(repository, descriptor) { (bytes) throws(OCIError) in
                hash.update(bytes)
                try writer.append(bytes)
            }
            try descriptor.verify(digest: hash.digest(), size: writer.count)
            content = writer.take()
        }
        return content
    }

    /// Makes sure that `cache` has the blob, streaming it there in constant memory if needed, and returns its path.
    @discardableResult
    package func fetch(
        _ repository: String, _ descriptor: Descriptor, into cache: BlobCache
    ) async throws(OCIError) -> String {
        if cache.contains(descriptor.digest) { return cache.path(of: descriptor.digest) }
        try await repeating("fetch \(descriptor.digest)") { () async throws(OCIError) in
            try await self.download(repository, descriptor, into: cache)
        }
        return cache.path(of: descriptor.digest)
    }

    private func download(
        _ repository: String, _ descriptor: Descriptor, into cache: BlobCache
    ) async throws(OCIError) {
        var writer = try BlobWriter(cache)
        try await read(repository, descriptor) { (bytes) throws(OCIError) in try writer.append(bytes) }
        _ = try writer.commit(expecting: descriptor)
    }

    /// Shows `take` the blob's bytes as they come, and no more than there should be.
    private func read(
        _ repository: String, _ descriptor: Descriptor, _ take: (UnsafeRawBufferPointer) throws(OCIError) -> Void
    ) async throws(OCIError) {
        let answer = try await stream(
            RegistryCall(.get, try address(repository, "blobs/\(descriptor.digest)"), pulling: repository))
        guard answer.status == 200 else {
            let body = (try? await answer.body.collect(limit: 64 << 10)) ?? []
            throw unreadable(
                CollectedResponse(status: answer.status, headers: answer.headers, body: body), repository, descriptor)
        }
        var size = 0
        var chunks = answer.body.makeAsyncIterator()
        while let chunk = try await next(&chunks, descriptor) {
            size += chunk.count
            guard size <= descriptor.size else {
                throw OCIError(.mismatch, "The blob \(descriptor.digest) is longer than its \(descriptor.size) bytes.")
            }
            try chunk.withRawBytes { (bytes) throws(OCIError) in try take(bytes) }
        }
    }

    private func next(
        _ chunks: inout ResponseBody.Iterator, _ descriptor: Descriptor
    ) async throws(OCIError) -> [UInt8]? {
        do throws(TransferError) { return try await chunks.next() } catch {
            throw OCIError(error, "The blob \(descriptor.digest) did not arrive whole from \(endpoint.name).")
        }
    }

    private func unreadable(_ answer: CollectedResponse, _ repository: String, _ descriptor: Descriptor) -> OCIError {
        refusal(answer, "The blob \(descriptor.digest) of \(endpoint.name)/\(repository) cannot be read")
    }

    private func manifestCall(
        _ method: Method, _ repository: String, _ name: ImageReference.Selector
    ) throws(OCIError) -> RegistryCall {
        var call = RegistryCall(
            method, try address(repository, "manifests/\(try name.checked().text)"), pulling: repository)
        // Without OCI's types among the accepted ones, registries hide OCI manifests or convert them.
        let types: [MediaType] = [.manifest, .index, .dockerManifest, .dockerManifestList]
        call.headers["Accept"] = types.map(\.rawValue).joined(separator: ", ")
        return call
    }

    /// The type in `Content-Type`, without parameters.
    private static func mediaType(_ answer: CollectedResponse) -> MediaType? {
        answer.headers["Content-Type"].map { MediaType(rawValue: String($0.prefix { $0 != ";" && $0 != " " })) }
    }

    /// The digest that the answer must have: the one asked for, or what the registry says of a tag.
    private static func digest(
        _ answer: CollectedResponse, asked name: ImageReference.Selector
    ) throws(OCIError) -> Digest? {
        if case .digest(let digest) = name { return digest }
        return try contentDigest(answer)
    }

    /// What `Docker-Content-Digest` says.
    static func contentDigest(_ answer: CollectedResponse) throws(OCIError) -> Digest? {
        guard let text = answer.headers["Docker-Content-Digest"] else { return nil }
        do throws(InvalidDigest) { return try Digest(text) } catch {
            throw OCIError(.malformed, "The registry names content by a digest that is not known here.", cause: error)
        }
    }
}

extension ImageReference.Selector {
    /// As it stands in an address.
    var text: String {
        switch self {
        case .digest(let digest): digest.description
        case .tag(let tag): tag
        }
    }

    /// Itself, if a tag is one.
    func checked() throws(OCIError) -> Self {
        if case .tag(let tag) = self, !ImageReference.isTag(tag) {
            throw OCIError(.unsupported, "'\(tag.prefix(200))' is not a tag.")
        }
        return self
    }
}

package import Contract
internal import Transfer

extension Registry {
    /// Stores a manifest under a tag, or under its digest alone. Verifies the digest that the registry answers with. Returns the digest of the
    /// subject that the registry has noted the manifest for (`OCI-Subject`); `nil` when there is none, or it notes none.
    @discardableResult
    package func putManifest(
        _ bytes: [UInt8], _ descriptor: Descriptor, to repository: String, tag: String? = nil
    ) async throws(OCIError) -> Digest? {
        let name = try (tag.map { ImageReference.Selector.tag($0) } ?? .digest(descriptor.digest)).checked()
        var call = RegistryCall(.put, try address(repository, "manifests/\(name.text)"), pushing: repository)
        call.headers = ["Content-Type": descriptor.mediaType.rawValue]
        call.body = .bytes(bytes)
        let answer = try await collect(call)
        guard answer.status == 201 || answer.status == 200 else {
            throw refusal(
                answer, "The manifest \(name.text) cannot be stored in \(endpoint.name)/\(repository)",
                to: .push)
        }
        if let stored = try Self.contentDigest(answer), stored != descriptor.digest {
            throw OCIError(.mismatch, "\(endpoint.name) stored the manifest \(stored) instead of \(descriptor.digest).")
        }
        return answer.headers["OCI-Subject"].flatMap { try? Digest($0) }
    }

    /// Pushes an image: new layers and configuration in parallel, base layers by mounting them from `base`, then the
    /// manifest under each of `tags` (or under its digest alone). A tag moves only when everything it needs is there.
    package func push(
        _ image: Image, to repository: String, tags: [String] = [], base: String? = nil, sessions: UploadSessions? = nil
    ) async throws(OCIError) {
        try await push(MultiPlatformImage(image), to: repository, tags: tags, base: base, sessions: sessions)
    }

    /// Pushes an image for one platform or several: the blobs of all of them in parallel, what they share once; then the manifests that an index
    /// names, under their digests; and last what the image is referred to by, under each of `tags` (or under its digest alone).
    package func push(
        _ image: MultiPlatformImage, to repository: String, tags: [String] = [], base: String? = nil,
        sessions: UploadSessions? = nil
    ) async throws(OCIError) {
        try await pushBlobs(of: image.images, to: repository, base, sessions)
        do throws(OCIError) {
            try await putManifests(of: image, to: repository, tags)
        } catch  where error.lacksBlobs {
            known.forget(repository)
            try await pushBlobs(of: image.images, to: repository, base, nil)
            try await putManifests(of: image, to: repository, tags)
        }
    }

    /// Stores an image's blobs, as ``push(_:to:tags:base:sessions:)`` does first, and no manifest yet: nothing can find the
    /// image. That then takes its manifests alone.
    package func pushContent(
        of image: MultiPlatformImage, to repository: String, base: String? = nil, sessions: UploadSessions? = nil
    ) async throws(OCIError) {
        try await pushBlobs(of: image.images, to: repository, base, sessions)
    }

    private func putManifests(
        of image: MultiPlatformImage, to repository: String, _ tags: [String]
    ) async throws(OCIError) {
        if image.isIndex {
            try await concurrently { group in
                for one in image.images {
                    group.addTask { _ = try await self.putManifest(one.manifestBytes, one.descriptor, to: repository) }
                }
            }
        }
        if tags.isEmpty { try await putManifest(image.bytes, image.descriptor, to: repository) }
        for tag in tags { try await putManifest(image.bytes, image.descriptor, to: repository, tag: tag) }
    }

    private func pushBlobs(
        of images: [Image], to repository: String, _ base: String?, _ sessions: UploadSessions?
    ) async throws(OCIError) {
        var seen: Set<Digest> = []
        let fresh = images.flatMap(\.newLayers).filter { seen.insert($0.descriptor.digest).inserted }
        let configs = images.filter { seen.insert($0.manifest.config.digest).inserted }
        let others = images.flatMap(\.manifest.layers).filter { seen.insert($0.digest).inserted }
        try await concurrently { group in
            for layer in fresh {
                group.addTask {
                    try await self.push(layer.content, layer.descriptor, to: repository, sessions: sessions)
                }
            }
            for image in configs {
                group.addTask {
                    try await self.push(
                        .bytes(image.configBytes), image.manifest.config, to: repository, sessions: sessions)
                }
            }
            for layer in others {
                group.addTask { try await self.provide(layer, in: repository, from: base) }
            }
        }
    }

    /// Makes sure that a layer whose bytes are not at hand is in the repository.
    private func provide(_ layer: Descriptor, in repository: String, from base: String?) async throws(OCIError) {
        if known.contains(layer.digest, in: repository) { return }
        if let base, base != repository, try await mount(layer.digest, to: repository, from: base) { return }
        if try await blobSize(repository, layer.digest) != nil { return }
        guard let base, base != repository, try await copy(layer, to: repository, from: base) else {
            throw OCIError(
                .notFound,
                "The base layer \(layer.digest) is not in \(endpoint.name)/\(repository)\(base.map { " and not in \($0)" } ?? "")."
            )
        }
    }

    /// Runs the tasks that `fill` adds and waits for all of them; the first error ends the others.
    func concurrently(
        _ fill: (inout ThrowingTaskGroup<Void, any Error>) -> Void
    ) async throws(OCIError) {
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                fill(&group)
                try await group.waitForAll()
            }
        } catch let error as OCIError {
            throw error
        } catch {
            throw OCIError(.registry, "\(endpoint.name) could not be pushed to.", cause: error)
        }
    }
}

extension OCIError {
    /// Whether a manifest was refused, perhaps because a blob that was seen before has been collected since.
    var lacksBlobs: Bool { status == 400 || status == 404 }
}

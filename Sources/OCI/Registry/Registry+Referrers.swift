package import Contract
internal import Transfer

extension Registry {
    /// How often the list of an image's referrers is written until what was added stays in it.
    private static let attempts = 20
    /// A list that was read longer ago is read again before it is written.
    private static let freshness = Duration.milliseconds(50)

    /// Stores `artifacts`, which are about images that are in `repository`, and sees to it that they are found by their subjects
    /// (OCI distribution-spec 1.1, "Pushing Manifests with Subject"), with `care`.
    package func push(
        _ artifacts: [Artifact], to repository: String, _ care: SigningCare = .settled
    ) async throws(OCIError) {
        do throws(OCIError) {
            try await store(artifacts, repository, care)
        } catch  where error.lacksBlobs {
            known.forget(repository)
            try await store(artifacts, repository, care)
        }
    }

    private func store(
        _ artifacts: [Artifact], _ repository: String, _ care: SigningCare
    ) async throws(OCIError) {
        try await concurrently { group in
            for artifact in artifacts {
                group.addTask {
                    try await self.push(.bytes(artifact.content), artifact.manifest.layers[0], to: repository)
                }
            }
            if let artifact = artifacts.first {
                group.addTask {
                    try await self.push(.bytes(Artifact.emptyConfig), artifact.manifest.config, to: repository)
                }
            }
        }
        var unlisted: [Digest: [Descriptor]] = [:]
        for artifact in artifacts {
            if let subject = try await putReferrer(artifact.manifestBytes, artifact.manifest, to: repository) {
                unlisted[subject, default: []].append(artifact.descriptor)
            }
        }
        for (subject, descriptors) in unlisted { try await list(descriptors, as: subject, in: repository, care) }
    }

    /// Stores the manifest of a referrer whose blobs are there, and sees to it that it is found by its subject.
    package func pushReferrer(_ bytes: [UInt8], _ manifest: Manifest, to repository: String) async throws(OCIError) {
        guard let subject = try await putReferrer(bytes, manifest, to: repository) else { return }
        try await list([Descriptor(referring: manifest, bytes)], as: subject, in: repository, .settled)
    }

    /// Stores the manifest of a referrer; returns its subject when the registry keeps no list of that one's referrers.
    private func putReferrer(
        _ bytes: [UInt8], _ manifest: Manifest, to repository: String
    ) async throws(OCIError) -> Digest? {
        let descriptor = Descriptor(describing: bytes, as: manifest.mediaType)
        let noted = try await putManifest(bytes, descriptor, to: repository)
        return noted == nil ? manifest.subject?.digest : nil
    }

    /// What refers to the image `subject`: asked of the registry, or, if that keeps no such list, read from the tag that clients keep instead.
    package func referrers(of subject: Digest, in repository: String) async throws(OCIError) -> [Descriptor] {
        var address = try address(repository, "referrers/\(subject)")
        var found: [Descriptor] = []
        // A registry that points in circles must not keep us forever.
        for _ in 0..<1000 {
            var call = RegistryCall(.get, address, pulling: repository)
            call.headers["Accept"] = MediaType.index.rawValue
            let answer = try await collect(call)
            switch answer.status {
            case 200: break
            case 401, 403, 429, 500...:
                throw refusal(answer, "What refers to \(subject) in \(endpoint.name)/\(repository) cannot be read")
            default: return try await fallbackList(of: subject, in: repository)
            }
            found += try CanonicalJSON.decode(Index.self, from: answer.body, what: "The list of referrers").manifests
            guard let next = Self.nextPage(answer.headers.values(of: "Link")) else { return found }
            guard let target = address.resolving(next), target.hasSameOrigin(as: address) else {
                throw OCIError(.locationRefused, "\(endpoint.name) points elsewhere for the rest of its referrers.")
            }
            address = target
        }
        throw OCIError(.tooLarge, "\(endpoint.name)/\(repository) has more pages of referrers than are read.")
    }

    /// The list behind the tag `sha256-<hex>`.
    private func fallbackList(of subject: Digest, in repository: String) async throws(OCIError) -> [Descriptor] {
        let tag = AttachmentTag.referrers(subject).text
        do throws(OCIError) {
            let (descriptor, bytes) = try await manifest(repository, .tag(tag))
            guard descriptor.mediaType.isIndex else { return [] }
            return try CanonicalJSON.decode(Index.self, from: bytes, what: "The list of referrers").manifests
        } catch {
            guard error.code != .notFound else { return [] }
            throw error
        }
    }

    /// Adds `descriptors` to the list behind the tag `sha256-<hex>`.
    ///
    /// Registries replace a tag without a look at what it was: of two who read the same list and each add to it, the second takes away what the
    /// first has added. So each looks again, at once and after longer than another's reading and writing take, and adds what is missing again.
    private func list(
        _ descriptors: [Descriptor], as subject: Digest, in repository: String, _ care: SigningCare
    ) async throws(OCIError) {
        let tag = AttachmentTag.referrers(subject).text
        try await turns.run("\(repository):\(tag)") { () async throws(OCIError) in
            for _ in 1...Self.attempts {
                var all = try await self.fallbackList(of: subject, in: repository)
                let read = ContinuousClock.now
                let there = Set(all.map(\.digest))
                let missing = descriptors.filter { !there.contains($0.digest) }
                if missing.isEmpty { return }
                all += missing
                let bytes = try CanonicalJSON.encode(Index(manifests: all))
                if ContinuousClock.now - read > Self.freshness { continue }
                try await self.putManifest(bytes, Descriptor(describing: bytes, as: .index), to: repository, tag: tag)
                if care == .written { return }
                if try await self.stays(descriptors, subject, repository) { return }
            }
            throw OCIError(
                .registry, "Others kept replacing the list of what refers to \(subject) in \(self.endpoint.name).")
        }
    }

    /// Whether `descriptors` are in the list, and still are in a while.
    private func stays(
        _ descriptors: [Descriptor], _ subject: Digest, _ repository: String
    ) async throws(OCIError) -> Bool {
        for pause in [.zero, SigningCare.pause] {
            if pause > .zero { try? await Task.sleep(for: pause) }
            let there = Set(try await fallbackList(of: subject, in: repository).map(\.digest))
            guard descriptors.allSatisfy({ there.contains($0.digest) }) else { return false }
        }
        return true
    }
}

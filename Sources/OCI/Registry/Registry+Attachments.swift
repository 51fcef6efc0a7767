package import Contract

/// What is kept beside an image in its repository and tells about it: a signature, or a referrer.
package struct Attachment: Sendable, Hashable {
    /// The tag that it is found by; `nil` for a referrer, which is found by its subject.
    package let tag: String?
    /// Type, digest and size of its manifest.
    package let descriptor: Descriptor
    /// Its manifest.
    package let manifest: Manifest
    /// Its manifest as it is stored.
    package let bytes: [UInt8]

    /// An attachment whose manifest is `bytes`.
    package init(tag: String?, bytes: [UInt8]) throws(OCIError) {
        manifest = try CanonicalJSON.decode(Manifest.self, from: bytes, what: "The manifest of an attachment")
        descriptor = Descriptor(describing: bytes, as: manifest.mediaType)
        self.tag = tag
        self.bytes = bytes
    }
}

extension Registry {
    /// What is kept beside the image `digest`: its referrers, then its signatures. What cannot be read as a manifest is left out.
    package func attachments(of digest: Digest, in repository: String) async throws(OCIError) -> [Attachment] {
        var found: [Attachment] = []
        for descriptor in try await referrers(of: digest, in: repository) {
            if let one = try await attachment(.digest(descriptor.digest), tag: nil, in: repository) {
                found.append(one)
            }
        }
        let tag = AttachmentTag.signatures(of: digest).text
        if let one = try await attachment(.tag(tag), tag: tag, in: repository) { found.append(one) }
        return found
    }

    private func attachment(
        _ name: ImageReference.Selector, tag: String?, in repository: String
    ) async throws(OCIError) -> Attachment? {
        do throws(OCIError) {
            return try Attachment(tag: tag, bytes: try await manifest(repository, name).bytes)
        } catch {
            guard error.code == .notFound || error.code == .malformed else { throw error }
            return nil
        }
    }

    /// Stores `attachment`, whose blobs are there, so that it is found.
    package func put(_ attachment: Attachment, to repository: String) async throws(OCIError) {
        guard let tag = attachment.tag else {
            return try await pushReferrer(attachment.bytes, attachment.manifest, to: repository)
        }
        try await putManifest(attachment.bytes, attachment.descriptor, to: repository, tag: tag)
    }

    /// The manifests to delete with the image `digest`, in this order: those of its referrers, the list of them, and last its signatures, by
    /// whose tag it is still known what is left when that is interrupted. `tags` are those of its tags that there are.
    package func attached(
        to digest: Digest, tags: [AttachmentTag], in repository: String
    ) async throws(OCIError) -> [AttachedManifest] {
        var found: [AttachedManifest] = []
        for descriptor in try await referrers(of: digest, in: repository) {
            if let one = try await attached(.digest(descriptor.digest), in: repository) { found.append(one) }
        }
        for tag in tags.sorted(by: { $0.text < $1.text }) {
            if let one = try await attached(.tag(tag.text), in: repository) { found.append(one) }
        }
        return found
    }

    private func attached(
        _ name: ImageReference.Selector, in repository: String
    ) async throws(OCIError) -> AttachedManifest? {
        let (descriptor, bytes): (Descriptor, [UInt8])
        do throws(OCIError) { (descriptor, bytes) = try await manifest(repository, name) } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
        var blobs = [descriptor.digest: descriptor.size]
        let manifest = try? CanonicalJSON.decode(Manifest.self, from: bytes, what: "The manifest of an attachment")
        // What all artifacts have in common does not go with one.
        for blob in (manifest.map { [$0.config] + $0.layers } ?? []) where blob.mediaType != .empty {
            blobs[blob.digest] = blob.size
        }
        return AttachedManifest(digest: descriptor.digest, blobs: blobs)
    }
}

/// A manifest that goes with the image it is about.
package struct AttachedManifest: Sendable, Hashable {
    /// Its digest.
    package let digest: Digest
    /// What goes with it, itself included, with the sizes in bytes.
    package let blobs: [Digest: Int]

    /// The manifest `digest` with `blobs`.
    package init(digest: Digest, blobs: [Digest: Int]) {
        self.digest = digest
        self.blobs = blobs
    }
}

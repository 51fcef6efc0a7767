import Contract
import OCI

extension RegistryTags {
    /// The annotation of an image with the digest of its base (OCI image-spec, annotations.md).
    private static let baseAnnotation = "org.opencontainers.image.base.digest"

    package func base(of image: PinnedImage) async throws -> Digest? {
        do throws(OCIError) {
            let (descriptor, bytes) = try await client.manifest(image.repository, .digest(image.digest))
            // An index tells what its manifests do not differ in.
            let annotations =
                descriptor.mediaType.isIndex
                ? try CanonicalJSON.decode(Index.self, from: bytes, what: "The index").annotations
                : try CanonicalJSON.decode(Manifest.self, from: bytes, what: "The manifest").annotations
            return annotations?[Self.baseAnnotation].flatMap { try? Digest($0) }
        } catch {
            guard error.code == .notFound else { throw error }
            return nil
        }
    }

    package func currentBase() async throws -> Digest? {
        try await client.descriptor(repositories.base, .tag(BaseTags.current))?.digest
    }

    package func bases() async throws -> [BaseRecord] {
        let repository = repositories.base
        let tags = try await client.tags(repository)
        let current = try await currentBase()
        var found: [Digest: BaseRecord] = [:]
        for tag in tags.sorted() {
            guard let since = BaseTags.time(tag),
                let digest = try await client.descriptor(repository, .tag(tag))?.digest,
                found[digest] == nil
            else { continue }
            let image = try await client.images(repository, .digest(digest))
            found[digest] = BaseRecord(
                digest: digest, deno: image.annotations?[BaseTags.versionAnnotation],
                platform: image.platforms.map(\.description).joined(separator: ","),
                since: Timestamp(milliseconds: since * 1000),
                isCurrent: digest == current)
        }
        return found.values.sorted { ($0.since?.milliseconds ?? 0) > ($1.since?.milliseconds ?? 0) }
    }
}

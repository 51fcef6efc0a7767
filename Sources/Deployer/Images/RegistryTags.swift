import Contract
import OCI

/// ``RevisionTags`` in an OCI registry.
package struct RegistryTags: RevisionTags {
    let client: Registry

    /// The tags in `registry`.
    package init(_ registry: Registry) { client = registry }

    package var repositories: RepositoryNames { client.endpoint.repositories }
    package var registry: String { client.endpoint.name }

    package func highestRevision(in repository: String) async throws -> Int {
        try await client.tags(repository).compactMap(Self.number).max() ?? 0
    }

    package func has(_ image: PinnedImage) async throws -> Bool {
        try await client.descriptor(image.repository, .digest(image.digest)) != nil
    }

    package func tag(_ revision: Revision) async throws {
        try await client.tag(revision.image.repository, revision.image.digest, as: "r\(revision.number)")
    }

    /// N of `r<N>`; `nil` for any other tag, also for `r007`, which Kiln never writes.
    static func number(_ tag: String) -> Int? {
        guard tag.hasPrefix("r"), let number = Int(tag.dropFirst()), number > 0, tag == "r\(number)" else { return nil }
        return number
    }
}

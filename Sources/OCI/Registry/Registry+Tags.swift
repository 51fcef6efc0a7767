package import Contract

extension Registry {
    /// What became of a deletion.
    package enum Deletion: Sendable, Hashable {
        /// It is gone.
        case deleted
        /// It was not there.
        case absent
        /// This registry does not delete.
        case unsupported
    }

    /// All tags of the repository, over all pages; none if there is no such repository.
    package func tags(_ repository: String) async throws(OCIError) -> [String] { throw unbuilt }

    /// Points `tag` at a manifest that the repository has. Costs reading the manifest and writing it again.
    package func tag(_ repository: String, _ digest: Digest, as tag: String) async throws(OCIError) { throw unbuilt }

    /// Removes a tag and leaves the manifest.
    package func deleteTag(_ repository: String, _ tag: String) async throws(OCIError) -> Deletion { throw unbuilt }

    /// Removes a manifest with all of its tags.
    package func deleteManifest(_ repository: String, _ digest: Digest) async throws(OCIError) -> Deletion { throw unbuilt }
}

import Contract

/// The `r<N>` tags that the Deployer keeps in the registry, so that a person, and a Deployer with an older record, can see which
/// revisions there have been.
package protocol RevisionTags: Sendable {
    /// Where functions' images are.
    var repositories: RepositoryNames { get }

    /// The registry's authority, as in image references.
    var registry: String { get }

    /// The highest N of the `r<N>` tags in `repository`; 0 when there is none.
    func highestRevision(in repository: String) async throws -> Int

    /// Whether the registry has `image`.
    func has(_ image: PinnedImage) async throws -> Bool

    /// Tags the image of `revision` with its number.
    func tag(_ revision: Revision) async throws
}

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

    /// The base image that `image` stands on; `nil` when it does not say, or is not there.
    func base(of image: PinnedImage) async throws -> Digest?

    /// The base images in the registry, the newest first.
    func bases() async throws -> [BaseRecord]

    /// The base image that new deploys get; `nil` while no Builder has said so.
    func currentBase() async throws -> Digest?
}

/// A base image in the registry.
package struct BaseRecord: Hashable, Sendable {
    /// Its digest.
    package var digest: Digest
    /// The version of Deno in it, as far as it says so.
    package var deno: String?
    /// What it runs on, e.g. `linux/amd64`.
    package var platform: String
    /// When it became the one for new deploys, for the first time.
    package var since: Timestamp?
    /// Whether it is the one for new deploys now.
    package var isCurrent: Bool

    /// The base image with `digest`.
    package init(digest: Digest, deno: String?, platform: String, since: Timestamp?, isCurrent: Bool) {
        self.digest = digest
        self.deno = deno
        self.platform = platform
        self.since = since
        self.isCurrent = isCurrent
    }
}

/// The tags of the base image's repository, by which Builders, Deployers and people tell the base images apart.
///
/// Beside them there is `b-<input digest>`, which finds the base image of the same parts, and the version of Deno.
package enum BaseTags {
    /// The base image that new deploys get.
    package static let current = "current"
    /// The annotation of a base image with the version of its Deno (OCI image-spec, annotations.md).
    package static let versionAnnotation = "org.opencontainers.image.version"

    /// The tag that says since when there is a base image, in seconds since 1970.
    package static func since(_ seconds: Int64) -> String { "t-\(seconds)" }

    /// The seconds of such a tag; `nil` for any other.
    package static func time(_ tag: String) -> Int64? {
        guard tag.hasPrefix("t-"), let seconds = Int64(tag.dropFirst(2)), seconds >= 0, tag == since(seconds) else {
            return nil
        }
        return seconds
    }
}

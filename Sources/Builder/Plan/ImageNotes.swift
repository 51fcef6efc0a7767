import Contract
import OCI

/// What the manifest of a function's image says of how it was made.
struct ImageNotes: Sendable {
    /// How the function handles requests.
    static let handler = "dev.kiln.handler"
    /// The form of images, ``BuildPlan/format``.
    static let format = "dev.kiln.format"
    /// The version of Deno.
    static let deno = "dev.kiln.deno"
    /// The path of the module that handles requests among the source.
    static let entry = "dev.kiln.entry"
    /// The digest of the source, ``BuildPlan/sourceDigest``.
    static let source = "dev.kiln.source"

    private let annotations: [String: String]

    /// The notes of `image`.
    init(_ image: OCI.Image) { annotations = image.manifest.annotations ?? [:] }

    /// What `image` says for all its platforms.
    init(_ image: MultiPlatformImage) { annotations = image.annotations ?? [:] }

    /// The value of an annotation.
    subscript(name: String) -> String? { annotations[name] }

    /// The digest of the source; `nil` in images from before it was noted.
    var source: Digest? { self[Self.source].flatMap { try? Digest($0) } }
    /// The base image.
    var base: Digest? { self["org.opencontainers.image.base.digest"].flatMap { try? Digest($0) } }
    /// The base image's name.
    var baseName: String? { self["org.opencontainers.image.base.name"] }

    /// What is baked of what the code imports; `nil` for nothing.
    var lock: DenoLock? {
        get throws(BuilderError) {
            try self[DependencyImage.lockAnnotation].map { text throws(BuilderError) in try DenoLock(text) }
        }
    }
}

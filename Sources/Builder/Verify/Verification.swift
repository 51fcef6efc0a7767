import Contract
import OCI

/// What came of making a revision's image again from the source in it: the answer to `POST /func/NAME/verify`.
package struct Verification: Sendable, Hashable, Codable {
    /// Whether two are the same.
    package struct Comparison: Sendable, Hashable, Codable {
        /// The digest of what is in the registry.
        package var stored: Digest
        /// The digest of what was made now; `nil` for what is taken as it is.
        package var made: Digest?
        /// Whether they are the same.
        package var identical: Bool
    }

    /// A layer.
    package struct LayerComparison: Sendable, Hashable, Codable {
        /// What is in it.
        package enum Content: String, Sendable, Hashable, Codable {
            /// Deno, and Kiln's scripts.
            case base
            /// What the code imports, as the lock has it.
            case dependencies
            /// The code.
            case code
        }

        /// What is in it.
        package var content: Content
        /// The layer as it is stored.
        package var digest: Comparison
        /// The layer, unpacked.
        package var diffID: Comparison
    }

    /// The image of one platform.
    package struct PlatformComparison: Sendable, Hashable, Codable {
        /// The platform, e.g. `linux/arm64`.
        package var platform: String
        /// Its manifest.
        package var manifest: Comparison
        /// Its configuration.
        package var config: Comparison
        /// Its layers, lowest first.
        package var layers: [LayerComparison]
    }

    /// What the signatures come to.
    package enum Signature: String, Sendable, Hashable, Codable {
        /// There is one by this platform's key.
        case valid
        /// There are none.
        case unsigned
        /// There are some, and none is by this platform's key.
        case otherKey
        /// One is by this platform's key, and of another image.
        case otherImage
        /// This platform has no key.
        case unchecked
    }

    /// The function.
    package var name: FunctionName
    /// The revision.
    package var revision: Int
    /// Its image.
    package var image: PinnedImage
    /// Whether everything that was made again came out the same.
    package var identical: Bool
    /// The image's manifest; of several platforms the index.
    package var manifest: Comparison
    /// Its configuration; of several platforms that of the Builder's own.
    package var config: Comparison
    /// Its layers, lowest first; of several platforms those of the Builder's own.
    package var layers: [LayerComparison]
    /// The same for each platform; `nil` for an image that is for one and has no index.
    package var platforms: [PlatformComparison]?
    /// Whether the source in the image is the one that the image says it was made from; `nil` when it does not say.
    package var sourceIdentical: Bool?
    /// What the signatures come to.
    package var signature: Signature
    /// What there is to be known beside: sentences.
    package var notes: [String]
}

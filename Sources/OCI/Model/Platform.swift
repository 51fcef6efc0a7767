/// What an image runs on, with Go's names (OCI image-spec, image-index.md).
package struct Platform: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The operating system, e.g. `linux`.
    package var os: String
    /// The processor architecture, e.g. `amd64`.
    package var architecture: String
    /// The architecture's variant, e.g. `v8`.
    package var variant: String?

    /// A platform.
    package init(os: String, architecture: String, variant: String? = nil) {
        self.os = os
        self.architecture = architecture
        self.variant = variant
    }

    /// Linux on this machine's processor.
    package static var host: Platform {
        #if arch(x86_64)
            Platform(os: "linux", architecture: "amd64")
        #elseif arch(arm64)
            Platform(os: "linux", architecture: "arm64")
        #else
            #error("name this architecture as Go does")
        #endif
    }

    /// Whether an image for `other` runs here: same system and architecture, and the same variant if both name one.
    package func runs(_ other: Platform) -> Bool {
        os == other.os && architecture == other.architecture
            && (variant == nil || other.variant == nil || variant == other.variant)
    }

    package var description: String { [os, architecture, variant].compactMap(\.self).joined(separator: "/") }
}

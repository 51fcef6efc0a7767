package import Contract

/// An image's configuration: how it runs, and the digests of its unpacked layers (OCI image-spec, config.md).
package struct ImageConfig: Hashable, Sendable, Codable {
    /// How a container of the image runs.
    package struct Execution: Hashable, Sendable, Codable {
        /// `uid[:gid]` or names; numeric here, since an image may have no user database.
        package var user: String?
        /// Ports that the image serves on, e.g. `8000/tcp`.
        package var exposedPorts: [String: Empty]?
        /// `NAME=value`.
        package var environment: [String]?
        /// The program and its first arguments.
        package var entrypoint: [String]?
        /// Further arguments, replaceable at start.
        package var command: [String]?
        /// Paths that are meant to be mounts.
        package var volumes: [String: Empty]?
        /// The directory to start in.
        package var workingDirectory: String?
        /// Notes for people and tools.
        package var labels: [String: String]?
        /// The signal that asks the program to end.
        package var stopSignal: String?

        /// Nothing set.
        package init() {}

        /// Sets one environment variable in the place of one of that name, or adds it.
        package mutating func setEnvironment(_ name: String, _ value: String) {
            var lines = environment ?? []
            if let index = lines.firstIndex(where: { $0.hasPrefix(name + "=") }) {
                lines[index] = "\(name)=\(value)"
            } else {
                lines.append("\(name)=\(value)")
            }
            environment = lines
        }

        /// Sets the program; arguments that were meant for another are cleared.
        package mutating func setEntrypoint(_ entrypoint: [String], command: [String]? = nil) {
            self.entrypoint = entrypoint
            self.command = command
        }

        enum CodingKeys: String, CodingKey {
            case user = "User"
            case exposedPorts = "ExposedPorts"
            case environment = "Env"
            case entrypoint = "Entrypoint"
            case command = "Cmd"
            case volumes = "Volumes"
            case workingDirectory = "WorkingDir"
            case labels = "Labels"
            case stopSignal = "StopSignal"
        }
    }

    /// An empty JSON object.
    package struct Empty: Hashable, Sendable, Codable {
        /// `{}`.
        package init() {}
    }

    /// The layers, unpacked.
    package struct RootFS: Hashable, Sendable, Codable {
        /// Always `layers`.
        package var type = "layers"
        /// Digests of the uncompressed layers, lowest first.
        package var diffIDs: [Digest]

        /// The layers with `diffIDs`.
        package init(diffIDs: [Digest]) { self.diffIDs = diffIDs }

        enum CodingKeys: String, CodingKey {
            case type
            case diffIDs = "diff_ids"
        }
    }

    /// How one layer came to be.
    package struct History: Hashable, Sendable, Codable {
        /// When, RFC 3339.
        package var created: String?
        /// By which command.
        package var createdBy: String?
        /// By whom.
        package var author: String?
        /// Remarks.
        package var comment: String?
        /// Whether the step made no layer.
        package var emptyLayer: Bool?

        /// A step that made a layer.
        package init(created: String? = nil, createdBy: String? = nil, comment: String? = nil) {
            self.created = created
            self.createdBy = createdBy
            self.comment = comment
        }

        enum CodingKeys: String, CodingKey {
            case created
            case createdBy = "created_by"
            case author
            case comment
            case emptyLayer = "empty_layer"
        }
    }

    /// When the image was made, RFC 3339.
    package var created: String?
    /// Who made it.
    package var author: String?
    /// The processor architecture, with Go's name.
    package var architecture: String
    /// The operating system, with Go's name.
    package var os: String
    /// The architecture's variant.
    package var variant: String?
    /// How a container runs.
    package var config: Execution?
    /// The layers, unpacked.
    package var rootfs: RootFS
    /// How the layers came to be, lowest first.
    package var history: [History]?

    /// An image without layers for `platform`.
    package init(platform: Platform) {
        architecture = platform.architecture
        os = platform.os
        variant = platform.variant
        rootfs = RootFS(diffIDs: [])
    }

    /// What the image runs on.
    package var platform: Platform { Platform(os: os, architecture: architecture, variant: variant) }

    /// The `created` time of everything made here: the epoch, so that equal input gives equal bytes.
    package static let epoch = "1970-01-01T00:00:00Z"
}

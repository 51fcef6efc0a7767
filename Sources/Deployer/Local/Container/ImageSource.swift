import Contract

/// Where the Local backend gets the root file system of an image from.
package protocol ImageSource: Sendable {
    /// The unpacked layers and the configuration of `image`, pulled if need be. The directories stay as they are while any instance
    /// may use them. Throws when the image cannot be had; the error's description becomes part of ``RolloutFailure/Code/image``.
    func rootFilesystem(of image: PinnedImage) async throws -> PreparedImage
}

/// An image on this machine's disk, ready to run.
package struct PreparedImage: Sendable, Hashable {
    /// Absolute paths of the unpacked layers, bottom first (OCI image-spec, `rootfs.diff_ids` order). Whiteouts are in overlayfs form.
    package var layers: [String]
    /// `config.Entrypoint`.
    package var entrypoint: [String]
    /// `config.Cmd`.
    package var command: [String]
    /// `config.Env`, as `NAME=value`.
    package var environment: [String]
    /// `config.WorkingDir`; empty means `/`.
    package var workingDirectory: String

    /// A prepared image.
    package init(
        layers: [String], entrypoint: [String], command: [String], environment: [String], workingDirectory: String
    ) {
        self.layers = layers
        self.entrypoint = entrypoint
        self.command = command
        self.environment = environment
        self.workingDirectory = workingDirectory
    }
}

/// Where secrets are looked up when an instance starts.
package protocol SecretSource: Sendable {
    /// The value of the secret `name`, or `nil` when there is none.
    func secret(named name: String) async throws -> String?
}

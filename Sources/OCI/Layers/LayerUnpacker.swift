package import Contract

/// Unpacks a layer into a directory of its own, trusting nothing in it.
///
/// A layer may come from anyone. No name leaves the directory: `..`, absolute names and names that pass through a symbolic link of
/// the layer are refused, as are devices, pipes and hard links to anything but the layer's own files. The compressed and the
/// uncompressed digest are verified on the way; until the call returns, nothing in the directory may be used.
package struct LayerUnpacker: Sendable {
    /// Who owns what is unpacked.
    package enum Ownership: Sendable, Hashable {
        /// The ids in the layer; needs privileges.
        case asArchived
        /// One owner for everything; needs privileges.
        case all(uid: UInt32, gid: UInt32)
        /// The process.
        case process
    }

    /// What becomes of a whiteout, an entry that hides a name of the layers below (OCI image-spec, layer.md).
    package enum Whiteouts: Sendable, Hashable {
        /// As overlayfs wants them: a character device 0/0, or `trusted.overlay.opaque`; needs privileges.
        case overlay
        /// The layer is refused.
        case refused
    }

    /// What a layer may cost.
    package struct Limits: Sendable, Hashable {
        /// Bytes of the uncompressed tar.
        package var bytes: Int
        /// Number of entries.
        package var entries: Int

        /// By default 4 GiB and 200,000 entries.
        package init(bytes: Int = 4 << 30, entries: Int = 200_000) {
            self.bytes = bytes
            self.entries = entries
        }
    }

    /// The owner of what is unpacked.
    package var ownership: Ownership
    /// What becomes of whiteouts.
    package var whiteouts: Whiteouts
    /// What a layer may cost.
    package var limits: Limits

    /// An unpacker.
    package init(ownership: Ownership, whiteouts: Whiteouts = .overlay, limits: Limits = Limits()) {
        self.ownership = ownership
        self.whiteouts = whiteouts
        self.limits = limits
    }

    /// Unpacks `blob` into `directory`, which must not exist: it is made with mode 0755, and removed again if anything fails.
    ///
    /// Gzipped and plain tar are understood, as `descriptor.mediaType` says. Modes are kept, 1777 included, as are modification
    /// times; extended attributes are not. Blocks until done. Nothing is synced: the caller does that before it renames the
    /// directory to a final name (`syncfs`).
    package func unpack(
        _ blob: BlobContent, descriptor: Descriptor, diffID: Digest, into directory: String
    ) throws(OCIError) {
        throw OCIError(.unsupported, "The unpacker is not built yet.")
    }
}

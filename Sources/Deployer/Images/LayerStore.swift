import CLinux
import Contract
import FoundationEssentials
import Glibc
import OCI

/// The unpacked layers of a machine: a directory per layer, shared by all images that have it.
///
/// A layer's directory has its final name only when it is whole, verified and on disk, so that after a crash whatever has a final
/// name can be used. Unfinished ones have names that end in `.tmp` and are removed at start.
package actor LayerStore {
    let directory: String
    private let cache: BlobCache
    private let registry: Registry
    private var unpacking: [Digest: Task<String, any Error>] = [:]
    private var documents: [Digest: OCI.Image] = [:]
    private var lastUse: [Digest: ContinuousClock.Instant] = [:]

    /// The layers in `directory`, fetched from `registry` by way of `cache`.
    package init(directory: String, cache: BlobCache, registry: Registry) throws {
        self.directory = directory
        self.cache = cache
        self.registry = registry
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        for name in names where name.hasSuffix(".tmp") {
            try FileManager.default.removeItem(atPath: directory + "/" + name)
        }
    }

    /// The manifest and configuration of `image`, and its layers' directories from the bottom up. A layer that the image has twice is there once, in
    /// its upper place: overlayfs takes no directory twice (`ELOOP`), and all that the lower one has the upper one has too.
    package func unpacked(_ image: PinnedImage) async throws -> (image: OCI.Image, layers: [String]) {
        let documents = try await self.documents(of: image)
        var layers: [String] = []
        for (descriptor, diffID) in zip(documents.manifest.layers, documents.config.rootfs.diffIDs) {
            let directory = try await layer(descriptor, diffID, image.repository)
            layers.removeAll { $0 == directory }
            layers.append(directory)
        }
        return (documents, layers)
    }

    private func documents(of image: PinnedImage) async throws -> OCI.Image {
        if let known = documents[image.digest] { return known }
        let read = try await registry.image(image.repository, .digest(image.digest))
        if documents.count >= 1024 { documents.removeAll() }
        documents[image.digest] = read
        return read
    }

    private func layer(_ descriptor: Descriptor, _ diffID: Digest, _ repository: String) async throws -> String {
        let final = directory + "/" + diffID.hex
        lastUse[diffID] = .now
        if let running = unpacking[diffID] { return try await running.value }
        if access(final, F_OK) == 0 { return final }
        let (cache, registry) = (cache, registry)
        let task = Task {
            let blob = try await registry.fetch(repository, descriptor, into: cache)
            try await Self.unpack(blob, descriptor, diffID, to: final)
            return final
        }
        unpacking[diffID] = task
        defer { unpacking[diffID] = nil }
        return try await task.value
    }

    /// Whether the layer is being unpacked or has been asked for since `moment`.
    func isInUse(_ diffID: Digest, since moment: ContinuousClock.Instant) -> Bool {
        unpacking[diffID] != nil || lastUse[diffID].map { $0 >= moment } == true
    }

    /// The layer is gone.
    func forgetUse(of diffID: Digest) { lastUse[diffID] = nil }

    @concurrent
    private static func unpack(_ blob: String, _ descriptor: Descriptor, _ diffID: Digest, to final: String)
        async throws
    {
        let temporary = "\(final).\(getpid()).tmp"
        let unpacker = LayerUnpacker(ownership: .asArchived, whiteouts: .overlay)
        try unpacker.unpack(.file(blob), descriptor: descriptor, diffID: diffID, into: temporary)
        let handle = open(temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { if handle >= 0 { close(handle) } }
        guard handle >= 0, syncfs(handle) == 0, rename(temporary, final) == 0 else {
            throw DeployerError(.state, "The layer \(diffID) cannot be kept: \(String(cString: strerror(errno))).")
        }
    }
}

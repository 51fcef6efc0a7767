import Contract
import OCI
import Synchronization

/// The locks of images that are live, read from the registry: whichever Builder made them and whatever this one has forgotten.
///
/// Images do not change, so what was read is remembered, within bounds.
final class LiveLocks: Sendable {
    /// Most bytes of locks that are remembered.
    static let capacity = 8 << 20

    private struct State {
        var locks: [Digest: (lock: DenoLock?, size: Int, used: Int)] = [:]
        var size = 0
        var uses = 0
    }

    private let registry: Registry
    private let state = Mutex(State())

    init(_ registry: Registry) { self.registry = registry }

    /// The lock of `image`; `nil` when it imports nothing from elsewhere, or is not in the registry (any more).
    func lock(of image: PinnedImage) async throws -> DenoLock? {
        let known = state.withLock { state in
            state.uses += 1
            state.locks[image.digest]?.used = state.uses
            return state.locks[image.digest]
        }
        if let known { return known.lock }
        let lock: DenoLock?
        do {
            lock = try await read(image)
        } catch let error as OCIError where error.code == .notFound {
            return nil
        }
        keep(lock, of: image.digest)
        return lock
    }

    private func read(_ image: PinnedImage) async throws -> DenoLock? {
        let annotations = try await annotations(image.repository, .digest(image.digest))
        if let text = annotations[DependencyImage.lockAnnotation] { return try DenoLock(text) }
        // What is imported for its types alone is not in the function's image.
        guard let tag = annotations[DependencyImage.importsAnnotation] else { return nil }
        return try await self.annotations(image.repository, .tag(tag))[DependencyImage.lockAnnotation].map {
            try DenoLock($0)
        }
    }

    private func annotations(_ repository: String, _ name: ImageReference.Selector) async throws -> [String: String] {
        let (descriptor, bytes) = try await registry.manifest(repository, name)
        guard !descriptor.mediaType.isIndex else {
            return try await registry.image(repository, name).manifest.annotations ?? [:]
        }
        return try CanonicalJSON.decode(Manifest.self, from: bytes, what: "The manifest \(descriptor.digest)")
            .annotations ?? [:]
    }

    /// Remembers the `lock` of the image with `digest`, which was made here.
    func keep(_ lock: DenoLock?, of digest: Digest) {
        let size = 200 + ((try? lock?.baked().count) ?? 0)
        guard size < Self.capacity / 4 else { return }
        state.withLock { state in
            state.uses += 1
            state.size += size - (state.locks[digest]?.size ?? 0)
            state.locks[digest] = (lock, size, state.uses)
            while state.size > Self.capacity, let oldest = state.locks.min(by: { $0.value.used < $1.value.used }) {
                state.locks[oldest.key] = nil
                state.size -= oldest.value.size
            }
        }
    }
}

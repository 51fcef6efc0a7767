import Contract
import OCI
import Synchronization

/// Lets through what is signed by a trusted key.
package final class SignatureDemand: ImageTrust {
    /// Most images that are remembered.
    private static let capacity = 100_000

    private let registry: Registry
    private let keys: [VerifyingKey]
    private let signed = Mutex<Set<Digest>>([])

    /// Demands a signature by one of `keys` in `registry`, beside the image.
    package init(_ registry: Registry, keys: [VerifyingKey]) {
        self.registry = registry
        self.keys = keys
    }

    package func check(_ image: PinnedImage) async throws(RolloutFailure) {
        // A signature that was there vouches for the image for good: the image never changes.
        if signed.withLock({ $0.contains(image.digest) }) { return }
        let verdict: SignatureVerdict
        do throws(OCIError) {
            verdict = try await registry.verdict(on: image.digest, in: image.repository, by: keys)
        } catch {
            throw RolloutFailure(
                .image,
                "Whether the image \(image.digest) is signed cannot be found out: \(error.message) Try again when the registry is back."
            )
        }
        switch verdict {
        case .valid:
            signed.withLock { signed in
                if signed.count >= Self.capacity { signed.removeAll() }
                signed.insert(image.digest)
            }
        case .unsigned:
            throw RolloutFailure(
                .unsigned,
                "The image \(image.digest) has no signature, and this platform runs signed images only (--verify-key). "
                    + "Images are signed as they are baked when the Builder has a key (--signing-key).")
        case .otherKey:
            throw RolloutFailure(
                .signedByAnother,
                "The image \(image.digest) is signed, but by none of the keys that this platform trusts (--verify-key)."
            )
        case .otherImage:
            throw RolloutFailure(
                .signatureMismatch,
                "A signature beside the image \(image.digest) is by a trusted key, but of another image.")
        }
    }
}

import Contract
import Kubernetes

extension KubernetesStore: DeclarativeStore {
    package func unrecorded(_ name: FunctionName) async throws -> (image: PinnedImage, spec: FunctionSpec)? {
        guard let function = try await object(name), let wanted = function.spec,
            function.metadata.generation ?? 1 > function.status?.observedGeneration ?? 0
        else { return nil }
        let reference = try ImageReference(wanted.image)
        guard let digest = reference.digest else {
            throw DeployerError(.store, "Function \(name) names no image by digest.")
        }
        let image = PinnedImage(registry: reference.registry, repository: reference.repository, digest: digest)
        let newest = try await revisions(of: name).filter { $0.isOwned(by: function) }
            .max { ($0.spec?.number ?? 0) < ($1.spec?.number ?? 0) }
        // Recorded by a Deployer that died before it could note so.
        if let newest, let revision = try? newest.revision(), revision.image.digest == digest,
            revision.spec == wanted.configuration, newest.state(function) != .failed
        {
            try await observed(function)
            return nil
        }
        return (image, wanted.configuration)
    }
}

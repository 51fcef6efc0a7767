import Contract
import OCI

/// ``ImageSource`` from a registry, by way of the machine's layer store.
package struct RegistryImages: ImageSource {
    private let store: LayerStore

    /// Images whose layers are in `store`, or come there from its registry.
    package init(_ store: LayerStore) { self.store = store }

    package func rootFilesystem(of image: PinnedImage) async throws -> PreparedImage {
        let (documents, layers) = try await store.unpacked(image)
        let execution = documents.config.config
        return PreparedImage(
            layers: layers, entrypoint: execution?.entrypoint ?? [], command: execution?.command ?? [],
            environment: execution?.environment ?? [], workingDirectory: execution?.workingDirectory ?? "")
    }
}

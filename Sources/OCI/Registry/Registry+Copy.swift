import FoundationEssentials

extension Registry {
    /// Brings a blob from another repository of this registry by way of this machine, for registries that do not mount; `false` when
    /// `source` has no such blob. Needs room for the blob in the temporary directory meanwhile.
    func copy(_ blob: Descriptor, to repository: String, from source: String) async throws(OCIError) -> Bool {
        guard try await blobSize(source, blob.digest) != nil else { return false }
        let directory = FileManager.default.temporaryDirectory.path + "/kiln-copy-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let path = try await fetch(source, blob, into: BlobCache(directory: directory))
        try await push(.file(path), blob, to: repository)
        return true
    }
}

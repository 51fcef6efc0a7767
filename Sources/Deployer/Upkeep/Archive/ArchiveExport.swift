import Contract
import FoundationEssentials
import Glibc
import OCI

/// Writes a platform, or some of its functions, into one file: record, images and, if wanted, secrets.
///
/// The platform may run: each function is recorded as it is at one moment, and images never change.
package struct ArchiveExport: Sendable {
    let record: any ArchivedRecord
    let registry: Registry
    let secrets: [String: [UInt8]]
    let version: String

    /// An export of `record` and its images in `registry`, with `secrets` by name.
    package init(record: any ArchivedRecord, registry: Registry, secrets: [String: [UInt8]], version: String) {
        self.record = record
        self.registry = registry
        self.secrets = secrets
        self.version = version
    }

    /// Writes the file `path`, which must not exist, and returns what is in it. `names` restricts it to these functions.
    package func write(_ path: String, functions names: [FunctionName]) async throws -> StateArchive {
        let parts = path + ".parts"
        try FileManager.default.createDirectory(
            atPath: parts, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { DiskFile.removeTree(parts) }
        let functions = try await record.functions(names, scratch: parts)
        let archive = StateArchive(kiln: version, functions: functions.snapshots, numbers: functions.numbers)
        do {
            var bundle = try BundleWriter.create(path)
            try bundle.add(StateArchive.file, Array(Self.encoder.encode(archive)))
            for (name, value) in secrets.sorted(by: { $0.key < $1.key }) { try bundle.add("secrets/\(name)", value) }
            let index = try await addImages(of: archive, to: &bundle, by: BlobCache(directory: parts + "/blobs"))
            try bundle.add("index.json", Array(Self.encoder.encode(index)))
            try bundle.finish()
        } catch {
            unlink(path)
            throw error
        }
        return archive
    }

    private func addImages(
        of archive: StateArchive, to bundle: inout BundleWriter, by cache: BlobCache
    ) async throws -> Index {
        var entries: [Descriptor] = []
        for function in archive.functions {
            let repository = registry.endpoint.repositories.repository(of: function.name)
            for item in function.revisions.reversed() {
                let (read, bytes) = try await registry.manifest(repository, .digest(item.digest))
                var descriptor = read
                if !bundle.contains(descriptor.digest) {
                    try bundle.add(blob: bytes)
                    let manifest = try JSONDecoder().decode(Manifest.self, from: Data(bytes))
                    for blob in [manifest.config] + manifest.layers where !bundle.contains(blob.digest) {
                        try bundle.add(blob.digest, from: try await registry.fetch(repository, blob, into: cache))
                        try cache.remove(blob.digest)
                    }
                }
                descriptor.annotations = ["org.opencontainers.image.ref.name": "\(function.name)-r\(item.number)"]
                entries.append(descriptor)
            }
        }
        return Index(manifests: entries)
    }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}

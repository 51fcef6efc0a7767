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
    /// The file that the key is in with which images are signed.
    package static let keyFile = "signing-key.pem"
    /// That key, in PEM; `nil` leaves it out.
    package var signingKey: [UInt8]?

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
            if let signingKey { try bundle.add(Self.keyFile, signingKey) }
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
                let image = try await registry.documents(repository, item.digest)
                var descriptor = image.descriptor
                try bundle.add(blob: image.bytes)
                for part in image.manifests {
                    try await add(part.bytes, part.manifest, from: repository, to: &bundle, by: cache)
                }
                descriptor.annotations = [Self.name: "\(function.name)-r\(item.number)"]
                entries.append(descriptor)
                for attachment in try await registry.attachments(of: item.digest, in: repository)
                where !bundle.contains(attachment.descriptor.digest) {
                    try await add(attachment.bytes, attachment.manifest, from: repository, to: &bundle, by: cache)
                    var descriptor = attachment.descriptor
                    descriptor.annotations = attachment.tag.map { [Self.name: $0] }
                    descriptor.artifactType = attachment.manifest.artifactType
                    entries.append(descriptor)
                }
            }
        }
        return Index(manifests: entries)
    }

    /// The annotation with the name of a manifest in an image layout.
    static let name = "org.opencontainers.image.ref.name"

    private func add(
        _ bytes: [UInt8], _ manifest: Manifest, from repository: String, to bundle: inout BundleWriter,
        by cache: BlobCache
    ) async throws {
        try bundle.add(blob: bytes)
        for blob in [manifest.config] + manifest.layers where !bundle.contains(blob.digest) {
            try bundle.add(blob.digest, from: try await registry.fetch(repository, blob, into: cache))
            try cache.remove(blob.digest)
        }
    }

    private static var encoder: JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }
}

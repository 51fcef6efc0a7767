import Contract
import FoundationEssentials
import OCI

/// Brings functions from an archive into a platform. First the whole archive is read and verified; only then anything is changed.
package struct ArchiveImport: Sendable {
    /// Where the functions are recorded once their images are there. Throws when there is a function of that name.
    package typealias Adopt = @Sendable (FunctionSnapshot) async throws -> Void

    /// What is in the archive.
    package let archive: StateArchive
    /// The secrets in it, by name.
    package let secrets: [String: [UInt8]]
    /// The key in it with which images are signed, in PEM.
    package let signingKey: [UInt8]?
    private let cache: BlobCache
    /// What is kept beside images, by image.
    private let attachments: [Digest: [Attachment]]

    /// Reads and verifies the archive at `path`; its blobs go into `directory`, which the caller removes.
    package init(_ path: String, blobs directory: String) throws {
        cache = try BlobCache(directory: directory)
        let files = try BundleReader.read(path, into: cache)
        guard let bytes = files[StateArchive.file] else {
            throw DeployerError(.state, "\(path) is no archive of Kiln's: it has no \(StateArchive.file).")
        }
        struct Form: Decodable { var format: Int }
        let form = try? JSONDecoder().decode(Form.self, from: Data(bytes))
        guard let form, form.format <= StateArchive.currentFormat else {
            throw DeployerError(
                .state, "\(path) was written by a newer Kiln (form \(form?.format ?? 0)). Import it with that version.")
        }
        do {
            archive = try JSONDecoder().decode(StateArchive.self, from: Data(bytes))
        } catch {
            throw DeployerError(.state, "The record in \(path) cannot be read.", error)
        }
        var secrets: [String: [UInt8]] = [:]
        for (name, value) in files where name.hasPrefix("secrets/") {
            secrets[String(name.dropFirst("secrets/".count))] = value
        }
        self.secrets = secrets
        signingKey = files[ArchiveExport.keyFile]
        attachments = try Self.attachments(files["index.json"], cache)
    }

    /// The signatures and referrers that the index of the archive names. One of an earlier Kiln's has none.
    private static func attachments(_ index: [UInt8]?, _ cache: BlobCache) throws -> [Digest: [Attachment]] {
        guard let index else { return [:] }
        var found: [Digest: [Attachment]] = [:]
        for entry in try JSONDecoder().decode(Index.self, from: Data(index)).manifests {
            let tag = entry.annotations?[ArchiveExport.name].flatMap { AttachmentTag($0) }
            guard tag != nil || entry.annotations == nil else { continue }
            let attachment = try Attachment(
                tag: tag?.text, bytes: cache.read(entry.digest, limit: Manifest.maximumSize))
            guard let subject = tag?.subject ?? attachment.manifest.subject?.digest else { continue }
            found[subject, default: []].append(attachment)
        }
        return found
    }

    /// The functions called `names`, or all; throws when one is not there.
    package func functions(_ names: [FunctionName]) throws -> [FunctionSnapshot] {
        guard !names.isEmpty else { return archive.functions }
        return try names.map { name in
            guard let function = archive.functions.first(where: { $0.name == name }) else {
                throw DeployerError(.state, "The archive has no function '\(name)'.")
            }
            return function
        }
    }

    /// Pushes the images of `functions` to `registry`, then has each function recorded. Layers that functions share are sent once.
    package func run(_ functions: [FunctionSnapshot], registry: Registry, adopt: Adopt) async throws {
        var homes: [Digest: String] = [:]
        for function in functions {
            let repository = registry.endpoint.repositories.repository(of: function.name)
            for item in function.revisions.reversed() {
                let image = try await ImageDocuments(try document(item.digest)) { (named) throws(OCIError) in
                    try document(named.digest)
                }
                for part in image.manifests {
                    try await push(part.manifest, to: repository, of: registry, &homes)
                    if image.isIndex { try await registry.putManifest(part.bytes, part.descriptor, to: repository) }
                }
                try await registry.putManifest(
                    image.bytes, image.descriptor, to: repository, tag: "r\(item.number)")
                for attachment in attachments[item.digest] ?? [] {
                    try await push(attachment.manifest, to: repository, of: registry, &homes)
                    try await registry.put(attachment, to: repository)
                }
            }
            try await adopt(function)
        }
    }

    private func document(_ digest: Digest) throws(OCIError) -> [UInt8] {
        try cache.read(digest, limit: Manifest.maximumSize)
    }

    /// Pushes the blobs of `manifest`, or has them mounted from where they were pushed before.
    private func push(
        _ manifest: Manifest, to repository: String, of registry: Registry, _ homes: inout [Digest: String]
    ) async throws {
        for blob in [manifest.config] + manifest.layers {
            if let home = homes[blob.digest], home != repository,
                try await registry.mount(blob.digest, to: repository, from: home)
            {
                continue
            }
            try await registry.push(.file(cache.path(of: blob.digest)), blob, to: repository)
            homes[blob.digest] = repository
        }
    }
}

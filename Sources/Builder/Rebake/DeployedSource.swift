import Contract
import FoundationEssentials
import OCI

/// What a function's image was made from, read out of the image: its source as it was posted, and what its imports stand for. With
/// the base image it is everything that a build takes.
///
/// Nothing about that is recorded elsewhere: an image of any Kiln before tells it too, and a copy in another registry.
package struct DeployedSource: Sendable, Hashable {
    /// Most bytes of a code layer that are read, and most that it may unpack to: an archive of the default limits with the
    /// JavaScript of all its modules.
    static let limit = (compressed: 192 << 20, unpacked: 512 << 20, files: 100_000)

    /// The source.
    package let source: FunctionSource
    /// What a single module was said to be written in. What was TypeScript by `Content-Type` is not told from what nobody spoke of.
    package let language: SourceLanguage
    /// The text of the lock that the image has; `nil` when it has nothing from elsewhere.
    package let lock: String?
    /// The digest of the base image that it stands on; `nil` when the image does not say.
    package let base: Digest?
    /// The tag of the image with what it imports, see ``DependencyImage``.
    let imports: String?

    /// Reads the image `digest` of `repository`. Throws `OCIError`, and ``BuilderError`` `image` for one that Kiln has not made.
    package init(
        _ digest: Digest, in repository: String, of registry: Registry, spool: SpoolDirectory? = nil
    ) async throws {
        let image = try await registry.image(repository, .digest(digest))
        guard let code = image.manifest.layers.last else { throw Self.foreign(digest, "it has no layers") }
        let bytes = try await registry.blob(repository, code, limit: Self.limit.compressed, spool: spool)
        try await self.init(image, code: bytes, spool: spool)
    }

    /// Reads `image`, the bytes of whose last layer are `code`. Unpacks: away from the caller's executor.
    @concurrent
    package init(_ image: OCI.Image, code: BlobContent, spool: SpoolDirectory? = nil) async throws {
        let annotations = image.manifest.annotations ?? [:]
        guard annotations["dev.kiln.handler"] != nil else {
            throw Self.foreign(image.digest, "it does not say how it handles requests")
        }
        lock = annotations[DependencyImage.lockAnnotation]
        base = annotations["org.opencontainers.image.base.digest"].flatMap { try? Digest($0) }
        imports = annotations[DependencyImage.importsAnnotation]
        // Paths in it begin with `app`, which the reader takes off as it does the directory of an npm archive.
        var files: [String: BlobContent] = [:]
        var contents = SpoolWriter(spool, memory: 4 << 20)
        for file in try Tarball.entries(
            in: code, maximumSize: Self.limit.unpacked, maximumFiles: Self.limit.files, into: &contents)
        { files[file.path] = FileTree.isRead(file.path) ? .bytes(try file.content.bytes()) : file.content }
        if let map = try files["imports.json"]?.bytes() {
            let tree = try Self.tree(files, map, image)
            source = .files(tree)
            language = .unstated
        } else if let bytes = try files["source/\(BuildPlan.sourceFile)"]?.bytes() {
            (source, language) = (.module(bytes), .unstated)
        } else if let bytes = try files["source/main.js"]?.bytes() {
            (source, language) = (.module(bytes), .javascript)
        } else {
            throw Self.foreign(image.digest, "its last layer has no source")
        }
    }

    private struct ImportMap: Decodable {
        /// Exactly the modules that run in the place of others (`base-image/import-map.js`); what the function's own configuration
        /// says is below `scopes`.
        var imports: [String: String]
    }

    /// The files that were posted: those below `source` without what was made of them.
    private static func tree(
        _ files: [String: BlobContent], _ map: [UInt8], _ image: OCI.Image
    ) throws(BuilderError) -> FileTree {
        guard let map = try? JSONDecoder().decode(ImportMap.self, from: Data(map)) else {
            throw foreign(image.digest, "its import map cannot be read")
        }
        var originals: [String: String] = [:]
        for (original, made) in map.imports {
            guard let original = path(original), let made = path(made) else {
                throw foreign(image.digest, "its import map names files elsewhere")
            }
            originals[made] = original
        }
        var found: [String: BlobContent] = [:]
        for (path, bytes) in files where path.hasPrefix("source/") {
            let path = String(path.dropFirst("source/".count))
            if originals[path] == nil { found[path] = bytes }
        }
        let main = image.config.config?.command?.last.flatMap { command in
            command.hasPrefix("/app/source/") ? String(command.dropFirst("/app/source/".count)) : nil
        }
        guard let main, let entry = found[main] == nil ? originals[main] : main, found[entry] != nil else {
            throw foreign(image.digest, "it does not say which of its files handles requests")
        }
        return FileTree(entry: entry, files: found)
    }

    /// The path below `source` that an import map names; each of its parts is percent-encoded there.
    private static func path(_ text: String) -> String? {
        guard text.hasPrefix("./source/") else { return nil }
        return try? PercentEncoding.decode(text.dropFirst("./source/".count))
    }

    private static func foreign(_ digest: Digest, _ reason: String) -> BuilderError {
        BuilderError(.image, "The image \(digest) is none that Kiln has made of a function: \(reason).")
    }
}

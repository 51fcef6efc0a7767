import Contract
import OCI
import Transfer

/// Sees to what functions import from elsewhere: finds what was resolved before, or resolves, proves and packs it.
package struct Dependencies: Sendable {
    /// How many packages are fetched at a time.
    private static let parallel = 8

    private let registry: Registry
    private let resolver: Resolver
    private let store: PackageStore
    private let settings: DependencySettings

    /// Resolves with the checker over `checker`, fetches packages over `fetcher`, which trusts the operator's authorities
    /// too, and keeps them in the existing `directory`.
    package init(
        registry: Registry, settings: DependencySettings, directory: String, checker: HTTPClient, fetcher: HTTPClient
    ) {
        self.registry = registry
        self.settings = settings
        resolver = Resolver(client: checker, settings: settings)
        store = PackageStore(directory: directory, client: fetcher, settings: settings)
    }

    /// Whether what was resolved before is used.
    package enum Freshness: Sendable, Hashable {
        /// What the function imports already keeps its versions.
        case kept
        /// Versions are chosen anew: `update=true`.
        case updated
        /// Versions are kept, and what another Deno made of the modules is made anew: a rebake.
        case rebaked
    }

    /// The image with everything that `imports` stand for by `lock`, on `base`. What is new in it is not yet in the registry.
    ///
    /// Throws a ``Contract/Problem`` for imports that cannot be had, ``BuilderError`` and `OCIError`.
    func image(
        of imports: [ExternalImport], file: String, on base: BaseImage, repository: String, checker: Endpoint,
        lock: LockSource, freshness: Freshness
    ) async throws -> DependencyImage {
        let stored = freshness == .updated ? nil : try await stored(imports, lock, on: base, repository)
        if let stored { try PlatformProblem.check(stored.lock, imports, file: file, on: base) }
        if let stored, stored.isOfThisDeno || freshness != .rebaked { return stored }
        do {
            let resolution = try await resolver.resolve(imports, file: file, at: checker, lock: lock)
            let chosen = try DenoLock(resolution.lock)
            try PlatformProblem.check(chosen, imports, file: file, on: base)
            var image = try await pack(resolution, chosen, on: base)
            let tags = [
                DependencyImage.tag(imports, lock: try image.lock.digest()),
                DependencyImage.tag(imports, lock: try lock.lock.digest()),
            ]
            image.newTags = tags[0] == tags[1] ? [tags[0]] : tags
            return image
        } catch let problem as Problem where problem.status != 422 {
            // Without its registries a rebake has everything but what makes starts faster.
            guard let stored else { throw problem }
            return stored
        }
    }

    /// What was resolved before for the function that has the images in `repository`, these imports and this lock.
    private func stored(
        _ imports: [ExternalImport], _ lock: LockSource, on base: BaseImage, _ repository: String
    ) async throws -> DependencyImage? {
        let digest = try lock.lock.digest()
        let tag = DependencyImage.tag(imports, lock: digest)
        if let found = try await stored(repository, tag, on: base) { return found }
        // What an older Kiln resolved is under a tag of the imports alone.
        guard case .kept = lock,
            var found = try await stored(repository, DependencyImage.tag(imports, lock: nil), on: base),
            try found.lock.digest() == digest
        else { return nil }
        found.newTags = [tag]
        return found
    }

    private func stored(_ repository: String, _ tag: String, on base: BaseImage) async throws -> DependencyImage? {
        do {
            return try DependencyImage(try await registry.images(repository, .tag(tag)), base: base)
        } catch let error as OCIError where error.code == .notFound {
            return nil
        }
    }

    /// The types of what `image` has, which is in `repository` or about to be.
    func types(of image: DependencyImage, repository: String) -> PackageTypes {
        let (registry, layer, limit) = (registry, image.layer, settings.bytes + 64 << 20)
        return PackageTypes(digest: layer.descriptor.digest, settings: settings) {
            if case .bytes(let bytes) = layer.content, !bytes.isEmpty { return bytes }
            return try await registry.blob(repository, layer.descriptor, limit: limit)
        }
    }

    private func pack(
        _ resolution: Resolution, _ resolved: DenoLock, on base: BaseImage
    ) async throws -> DependencyImage {
        let lock = resolved.located(in: settings.npmRegistry)
        let layer = try await layer(resolution, resolved, resolution.packages)
        var others: [DependencyLayer?] = []
        let systems = base.others.isEmpty ? nil : LockedSystems(lock)
        for other in base.others {
            let platform = other.image.config.platform
            if let folders = systems?.folders(on: platform, from: .host, resolution.packages) {
                others.append(try await self.layer(resolution, resolved, folders))
            } else {
                others.append(nil)
            }
        }
        return try await Self.assemble(base, layer, others, lock)
    }

    /// What was resolved, with the packages in `folders`.
    private func layer(
        _ resolution: Resolution, _ resolved: DenoLock, _ folders: [String]
    ) async throws -> DependencyLayer {
        var layer = DependencyLayer()
        layer.add(lock: try resolved.withoutArchives().baked())
        for (path, bytes) in try RemoteModules(lock: resolved, jsrURL: settings.jsrURL).baked(resolution.files) {
            layer.add(path, bytes)
        }
        for (folder, files) in try await packages(resolved, folders) { layer.add(package: folder, files) }
        for file in resolution.caches { try layer.add(cache: file.path, file.bytes) }
        let size = layer.size
        guard size.bytes <= settings.bytes, size.files <= settings.files else {
            throw Problem(
                "imports-too-large", 422, "Imports too large",
                "The imports have \(size.files) files of \(size.bytes) bytes; \(settings.files) of \(settings.bytes) bytes are "
                    + "allowed. Import less; the operator can raise the limits with --max-dependencies and "
                    + "--max-dependency-files.")
        }
        return layer
    }

    /// Compresses: away from the caller's executor.
    @concurrent
    private static func assemble(
        _ base: BaseImage, _ layer: DependencyLayer, _ others: [DependencyLayer?], _ lock: DenoLock
    ) async throws -> DependencyImage {
        try DependencyImage(base: base, layer, others: others, lock: lock)
    }

    /// The files of the packages in `folders`, each proven to be in the lock.
    private func packages(_ lock: DenoLock, _ folders: [String]) async throws -> [(String, [Tarball.File])] {
        var byFolder: [String: DenoLock.Package] = [:]
        for package in try lock.packages() {
            byFolder["\(DependencyLayer.folder(of: package.name))/\(package.version)"] = package
        }
        var pending: [(String, DenoLock.Package)] = []
        for folder in folders {
            // A package that was given different peers is there more than once: `VERSION_1`.
            let split = folder.split(separator: "_", omittingEmptySubsequences: false)
            let isCopy = folder.last.map { $0.isASCII && $0.isNumber } == true && split.count > 1
            let plain = isCopy && Int(split.last ?? "") != nil ? split.dropLast().joined(separator: "_") : folder
            guard let package = byFolder[folder] ?? byFolder[plain] else {
                throw BuilderError(
                    .checkerAnswer, "The resolver sent the package \(folder.prefix(300)), which is not locked.")
            }
            pending.append((folder, package))
        }
        return try await withThrowingTaskGroup(of: (String, [Tarball.File]).self) { group in
            var found: [(String, [Tarball.File])] = []
            for (index, (folder, package)) in pending.enumerated() {
                if index >= Self.parallel, let next = try await group.next() { found.append(next) }
                group.addTask { [store] in (folder, try await store.files(of: package)) }
            }
            for try await next in group { found.append(next) }
            return found
        }
    }
}

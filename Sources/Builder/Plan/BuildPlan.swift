import Contract
import Crypto
import OCI

/// What goes into a function's image, before anything is made: pure values, equal for equal input.
///
/// Neither the function's name nor any time is in it, so the same code has the same layer and image under every name.
package struct BuildPlan: Sendable, Hashable {
    /// Rises when the same input has to make another image: it is part of the input.
    package static let format = 2
    /// The name under which a source without one is known in diagnostics, stack traces and the image.
    package static let sourceFile = "main.ts"

    /// The base image.
    package let base: Contract.Digest
    /// The source as it was posted.
    package let source: FunctionSource
    /// Whether its types are to be checked.
    package let typeChecking: TypeChecking

    /// Whether types are checked. That changes nothing of the image, but what is known of it.
    package enum TypeChecking: Sendable, Hashable {
        /// They are.
        case wanted
        /// They are not: `check=false`.
        case skipped
    }

    /// What the source is written in.
    package let language: SourceLanguage

    /// The digest of the lock of another image whose versions are kept; `nil` for none. A lock among the files is part of the source.
    package private(set) var lock: Contract.Digest?

    /// The digest over everything that the image is made from. Whether types are checked is not: it changes no image. What the checker finds is not in it: the checker comes
    /// with the base and finds the same in the same source.
    package private(set) var inputDigest: Contract.Digest

    /// A plan to put the one module `source` on the base image `base`.
    package init(
        base: Contract.Digest, source: [UInt8], language: SourceLanguage = .unstated,
        typeChecking: TypeChecking = .wanted
    ) {
        self.base = base
        self.source = .module(source)
        self.language = language
        self.typeChecking = typeChecking
        var hash = Self.hash(base, Self.file(of: self.source, language), nil)
        Self.add(source, language, to: &hash)
        inputDigest = hash.digest()
    }

    /// A plan to put `source` on the base image `base`. Reads all of it, and throws when that is on disk and cannot be read.
    package init(
        base: Contract.Digest, _ source: FunctionSource, language: SourceLanguage = .unstated,
        typeChecking: TypeChecking = .wanted
    ) throws(OCIError) {
        self.language = language
        self.base = base
        self.source = source
        self.typeChecking = typeChecking
        inputDigest = try Self.digest(source, base, language, lock: nil)
    }

    /// The plan that keeps the versions of `lock`, if any.
    package func keeping(_ lock: Contract.Digest?) throws(OCIError) -> BuildPlan {
        guard lock != self.lock else { return self }
        var plan = self
        plan.lock = lock
        plan.inputDigest = try Self.digest(source, base, language, lock: lock)
        return plan
    }

    /// The name of the source, or of its entry, in diagnostics, stack traces and the image.
    package var file: String { Self.file(of: source, language) }

    private static func file(of source: FunctionSource, _ language: SourceLanguage) -> String {
        switch source {
        case .module: language == .javascript ? "main.js" : sourceFile
        case .files(let tree): tree.entry
        }
    }

    private static func hash(_ base: Contract.Digest, _ file: String, _ lock: Contract.Digest?) -> InputHash {
        var hash = InputHash()
        hash.add("kiln function \(format)")
        hash.add(base.description)
        hash.add(file)
        if let lock { hash.add("lock \(lock)") }
        return hash
    }

    private static func add(_ module: [UInt8], _ language: SourceLanguage, to hash: inout InputHash) {
        hash.add(module)
        // The same image, but more is known of its types.
        if language == .typescript { hash.add("typescript") }
    }

    private static func digest(
        _ source: FunctionSource, _ base: Contract.Digest, _ language: SourceLanguage, lock: Contract.Digest?
    ) throws(OCIError) -> Contract.Digest {
        var hash = hash(base, file(of: source, language), lock)
        switch source {
        case .module(let bytes): add(bytes, language, to: &hash)
        case .files(let tree):
            // Each file's name says what it is written in.
            hash.add("files \(tree.files.count)")
            try tree.add(to: &hash)
        }
        return hash.digest()
    }

    /// The tag that finds an image of the same input with types that are right: `b-` and the digest's hexadecimal digits.
    package var tag: String { "b-" + inputDigest.hex }

    /// The tag that finds an image of the same input whose types nobody has looked at: `b-` and hexadecimal digits, too.
    package var uncheckedTag: String {
        var hash = InputHash()
        hash.add("unchecked types")
        hash.add(inputDigest.description)
        return "b-" + hash.digest().hex
    }

    /// The tags of images that do for this plan, the better one first.
    package var tags: [String] { typeChecking == .wanted ? [tag] : [tag, uncheckedTag] }

    /// The code layer: what runs, what was posted, and `caches` of it.
    package func layer(_ module: CheckedModule, _ caches: CodeCaches = .none) -> [LayerEntry] {
        switch source {
        case .module(let bytes):
            let directory = caches.files.isEmpty ? [] : [LayerEntry.directory(DependencyLayer.directory)]
            let made = caches.files.map { LayerEntry.file("\(DependencyLayer.directory)/\($0)", $1) }
            return directory + made + [
                .directory("app"),
                .file("app/main.js", Array(module.code.utf8)),
                .directory("app/source"),
                .file("app/source/\(file)", bytes),
            ]
        case .files(let tree):
            let made = module.files?.modules ?? []
            return [
                .directory("app"), .directory("app/source"),
                .file("app/imports.json", module.files?.importMap ?? []),
            ]
                + tree.directories.map { .directory("app/source/\($0)") }
                + tree.files.map { .file("app/source/\($0)", content: $1) }
                + made.map { .file("app/source/\($0.path)", Array($0.code.utf8)) }
        }
    }

    /// How a container of the image runs, on what the base image says.
    package func execution(
        _ module: CheckedModule, on base: ImageConfig.Execution = BaseRecipe.execution
    ) -> ImageConfig.Execution {
        var execution = base
        execution.entrypoint = module.needsImports ? Sandbox.functionWithDependencies : Sandbox.function
        execution.setEnvironment("DENO_DIR", "/\(DependencyLayer.directory)")
        execution.command = module.command
        execution.exposedPorts = ["8000/tcp": ImageConfig.Empty()]
        if module.files != nil {
            execution.entrypoint = (execution.entrypoint ?? []) + [Sandbox.importMap]
            execution.workingDirectory = "/app/source"
        }
        return execution
    }

    /// The digest of the source: of the module's bytes, or over the paths and contents of all files. Reads all of it.
    package func sourceDigest() throws(OCIError) -> Contract.Digest {
        switch source {
        case .module(let bytes): return Contract.Digest(bytes: SHA256.hash(data: bytes))
        case .files(let tree):
            var hash = InputHash()
            try tree.add(to: &hash)
            return hash.digest()
        }
    }

    /// Notes for the manifest: with them and what is in the image, it can be made again. `deno` is the version of Deno in the base image. Kiln's own version is not among them: another that makes the
    /// same image is to find it unchanged.
    package func annotations(_ module: CheckedModule, deno: String?) throws(OCIError) -> [String: String] {
        var notes = [
            ImageNotes.handler: module.form.rawValue,
            ImageNotes.format: String(Self.format),
            ImageNotes.entry: file,
            ImageNotes.source: try sourceDigest().description,
        ]
        notes[ImageNotes.deno] = deno
        return notes
    }
}

extension FileTree {
    /// Adds the paths and contents of all files.
    fileprivate func add(to hash: inout InputHash) throws(OCIError) {
        for path in paths {
            hash.add(path)
            if let content = files[path] { try hash.add(content) }
        }
    }
}

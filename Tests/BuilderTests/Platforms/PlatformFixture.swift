import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Images and packages for two platforms: this machine's and another.
enum PlatformFixture {
    /// The other one of those that there is a Deno for, as `--platforms` says it.
    static let other = Platform(os: "linux", architecture: Platform.host.architecture == "amd64" ? "arm64" : "amd64")
    static let both = [Platform.host, other]
    /// npm's names of the two processors.
    static let (ownProcessor, otherProcessor) = other.architecture == "arm64" ? ("x64", "arm64") : ("arm64", "x64")

    /// Pushes an image with what stands for Deno for each of `platforms`, as `tools/deno:TAG`.
    static func pushBase(
        _ registry: RegistryFixture, tag: String = "all", platforms: [Platform], program: String = "deno",
        otherVersion: String = "2.9.8"
    ) async throws {
        let images = try platforms.map { platform in
            let entries: [LayerEntry] = [
                .directory("usr"), .directory("usr/bin"),
                .file("usr/bin/\(platform == .host ? "deno" : program)", Array("for \(platform)".utf8), mode: 0o755),
            ]
            var builder = ImageBuilder(
                platform: platform, steps: [.init(try Layer(entries), createdBy: "test: deno")])
            let version = platform == .host ? "2.9.8" : otherVersion
            builder.execution.environment = ["DENO_VERSION=\(version)", "FOR=\(platform.architecture)"]
            return try builder.build()
        }
        try await client(registry).push(try MultiPlatformImage(images), to: "tools/deno", tags: [tag])
    }

    static func client(_ registry: RegistryFixture) -> Registry {
        Registry(RegistryEndpoint(name: registry.authority, url: registry.url), client: registry.client)
    }

    /// Runs `body` beside a Builder on that image.
    static func withBuilder(
        for platforms: [Platform] = both, tag: String = "all", in registry: RegistryFixture, _ checker: DenoServer,
        imports: DependencySettings = DependencySettings(),
        wrapping: @Sendable (any SourceChecker) -> any SourceChecker = { $0 },
        attesting: (@Sendable (Registry) -> Attestor)? = nil,
        _ body: @escaping @Sendable (BuilderFixture) async throws -> Void
    ) async throws {
        let reference = try ImageReference("\(registry.authority)/tools/deno:\(tag)")
        try await BuilderTests.withBuilder(
            base: .reference(BaseReference(reference, in: client(registry), platforms: platforms)),
            limits: BuilderAPI.Limits(), imports: imports, registry: registry, checker: checker, wrapping: wrapping,
            attesting: attesting, body)
    }

    /// A package with a part for each of `processors`.
    static func native(_ processors: [String]) -> [TestPackage] {
        let optional = processors.map { #""@native/linux-\#($0)": "1.0.0""# }.joined(separator: ",")
        let parts = processors.map { processor in
            TestPackage(
                "@native/linux-\(processor)", "1.0.0", main: "module.exports = '\(processor)';",
                manifest: #"{"os":["linux"],"cpu":["\#(processor)"]}"#)
        }
        let whole = TestPackage(
            "native", "1.0.0", main: "exports.part = () => require('@native/linux-' + process.arch);",
            manifest: #"{"optionalDependencies":{\#(optional)}}"#)
        return [whole] + parts
    }
}

extension BuilderFixture {
    /// The image that was deployed last, for all of its platforms.
    func latestForAll() async throws -> MultiPlatformImage {
        let pinned = try #require(deployer.deploys.last).image
        return try await registry.images(pinned.repository, .digest(pinned.digest))
    }

    /// What came of making the live image again.
    func verification() async throws -> Verification {
        let answer = try await call(.post, "/func/hello/verify")
        #expect(answer.status == 200, "\(answer.text)")
        return try JSONDecoder().decode(Verification.self, from: Data(answer.body))
    }

    /// The paths of the files in the layer `layer` of the function's image.
    func paths(in layer: Descriptor) async throws -> Set<String> {
        let bytes = try await registry.blob("kiln/hello", layer, limit: 64 << 20)
        return Set(try Tarball.files(in: bytes, maximumSize: 64 << 20, maximumFiles: 1000).map(\.path))
    }
}

/// The checker, with databases of its own in the place of what Deno would compile.
struct CompilingChecker: SourceChecker {
    /// The databases.
    static let names = [
        "dep_analysis_cache_v2", "dep_analysis_cache_v2-shm", "v8_code_cache_v2", "v8_code_cache_v2-shm",
    ]

    private let checker: any SourceChecker

    init(_ checker: any SourceChecker) { self.checker = checker }

    func check(_ source: [UInt8], file: String, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult {
        try await checker.check(source, file: file, at: endpoint)
    }

    func check(_ tree: FileTree, at endpoint: Endpoint) async throws(BuilderError) -> CheckResult {
        try await checker.check(tree, at: endpoint)
    }

    func caches(of code: String, at endpoint: Endpoint) async throws(BuilderError) -> CodeCaches {
        var answer: [UInt8] = []
        func add(_ json: String, _ content: [UInt8] = []) {
            withUnsafeBytes(of: UInt32(json.utf8.count).bigEndian) { answer += $0 }
            answer += Array(json.utf8) + content
        }
        for name in Self.names {
            let content = name.hasSuffix("-shm") ? [] : Array(name.utf8)
            add(#"{"cache":"\#(name)","size":\#(content.count)}"#, content)
        }
        add(#"{"end":true}"#)
        return try CodeCaches(answer)
    }

    func checkTypes(_ question: TypesQuestion, at endpoint: Endpoint) async throws(BuilderError) -> TypesResult {
        try await checker.checkTypes(question, at: endpoint)
    }

    func checkTypes(
        _ question: TypesQuestion, with packages: PackageTypes, at endpoint: Endpoint
    ) async throws(BuilderError) -> TypesResult {
        try await checker.checkTypes(question, with: packages, at: endpoint)
    }
}

import Builder
import Contract
import FoundationEssentials
import Logging
import OCI
import Service
import Support
import Synchronization
import Transfer

/// A Builder with everything around it: a real registry, the real checker, and a Deployer that only writes down.
struct BuilderFixture: Sendable {
    let registry: Registry
    let deployer: FakeDeployer
    let checker: DenoServer
    let client: HTTPClient
    let socket: String

    /// Posts `source` with the query `query`.
    func post(_ query: String, _ source: String, headers: HeaderFields = [:]) async throws -> CollectedResponse {
        try await post(query, Array(source.utf8), headers: headers)
    }

    func post(_ query: String, _ source: [UInt8], headers: HeaderFields = [:]) async throws -> CollectedResponse {
        try await call(.post, "/func?\(query)", body: .bytes(source), headers: headers)
    }

    func call(
        _ method: Transfer.Method, _ target: String, body: Transfer.RequestBody = .none, headers: HeaderFields = [:]
    ) async throws -> CollectedResponse {
        var headers = headers
        headers["Authorization"] = "Bearer \(FakeDeployer.token)"
        return try await client.collect(
            ClientRequest(method, "http://builder\(target)", socket: socket, headers: headers, body: body))
    }
}

/// A small base image in place of the real one, whose 100 MB take seconds to bake.
let smallRecipe = BaseRecipe(steps: [
    .init(createdBy: "test: one", entries: [.directory("etc"), .file("etc/one", Array("1".utf8))]),
    .init(createdBy: "test: two", entries: [.directory("app"), .directory("tmp", mode: 0o1777)]),
])

/// Runs `body` beside a Builder that is ready.
func withBuilder(
    recipe: BaseRecipe = smallRecipe, limits: BuilderAPI.Limits = BuilderAPI.Limits(),
    imports: DependencySettings = DependencySettings(),
    wrapping: @escaping @Sendable (any SourceChecker) -> any SourceChecker = { $0 },
    attesting: (@Sendable (Registry) -> Attestor)? = nil,
    _ body: @escaping @Sendable (BuilderFixture) async throws -> Void
) async throws {
    try await withRegistry { registry in
        try await withChecker { checker in
            try await withBuilder(
                recipe: recipe, limits: limits, imports: imports, registry: registry, checker: checker,
                wrapping: wrapping, attesting: attesting, body)
        }
    }
}

/// Runs `body` beside a Builder that uses this registry and checker.
func withBuilder(
    recipe: BaseRecipe, limits: BuilderAPI.Limits, imports: DependencySettings = DependencySettings(),
    registry fixture: RegistryFixture, checker: DenoServer,
    wrapping: @Sendable (any SourceChecker) -> any SourceChecker = { $0 },
    attesting: (@Sendable (Registry) -> Attestor)? = nil,
    _ body: @escaping @Sendable (BuilderFixture) async throws -> Void
) async throws {
    try await withBuilder(
        base: .recipe(recipe), limits: limits, imports: imports, registry: fixture, checker: checker,
        wrapping: wrapping, attesting: attesting, body)
}

/// Runs `body` beside a Builder that puts functions on `base`, and uses this registry and checker.
func withBuilder(
    base: BaseSource, limits: BuilderAPI.Limits, imports: DependencySettings = DependencySettings(),
    registry fixture: RegistryFixture, checker: DenoServer,
    wrapping: @Sendable (any SourceChecker) -> any SourceChecker = { $0 },
    attesting: (@Sendable (Registry) -> Attestor)? = nil,
    _ body: @escaping @Sendable (BuilderFixture) async throws -> Void
) async throws {
    let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    try await withRoot { root in
        let client = fixture.client
        let registry = Registry(RegistryEndpoint(name: fixture.authority, url: fixture.url), client: client)
        let deployer = FakeDeployer(checker: checker.endpoint)
        let connection = DeployerConnection(
            client: client, address: .unix(path: root + "/deployer.sock"), token: FakeDeployer.token)
        let api = BuilderAPI(limits: limits, logger: quiet)
        var timing = CheckerConnection.Timing()
        timing.patience = .seconds(60)
        let provision = BaseProvision(
            source: base, cache: try BlobCache(directory: root + "/cache"), registry: registry,
            checker: wrapping(CheckerConnection(client: client, timing: timing)),
            dependencies: Dependencies(
                registry: registry, settings: imports, directory: root, checker: client, fetcher: client),
            deployer: connection, attestor: attesting?(registry),
            spool: try SpoolDirectory(root + "/spool"), logger: quiet, progress: { _ in })
        let service = HTTPService(token: FakeDeployer.token, logger: quiet) { try await api.handle($0) }
        let builder = BuilderFixture(
            registry: registry, deployer: deployer, checker: checker, client: client, socket: root + "/builder.sock")
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await deployer.run(socket: root + "/deployer.sock") {} }
            group.addTask { try await service.run(on: .unix(path: root + "/builder.sock")) }
            try await waitUntil("both roles listen") {
                FileManager.default.fileExists(atPath: root + "/deployer.sock")
                    && FileManager.default.fileExists(atPath: root + "/builder.sock")
            }
            try await provision.open(api)
            try await body(builder)
            group.cancelAll()
        }
    }
}

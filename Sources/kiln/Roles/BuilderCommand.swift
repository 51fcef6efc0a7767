import ArgumentParser
import Builder
import Contract
import FoundationEssentials
import Logging
import OCI
import Service
import Transfer

/// `kiln builder`: makes images of functions.
struct BuilderCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "builder", abstract: "Run the Builder: checks functions, bakes and pushes their images.")

    @OptionGroup var state: StateOptions
    @OptionGroup var logs: LogOptions
    @OptionGroup var registry: RegistryOptions
    @OptionGroup var builder: BuilderOptions
    @OptionGroup var imports: DependencyOptions
    @OptionGroup var packageChecks: PackageCheckOptions
    @OptionGroup(title: "Cluster") var role: RoleOptions

    @Option(
        help: ArgumentHelp(
            "Where the Deployer is asked (default: its socket in the state directory).", valueName: "host:port"))
    var deployer: ListenOption?

    @Flag(help: .hidden) var supervised = false

    func run() async throws {
        try await Role.run(logs, "builder", supervised: supervised) { logger in
            let directory = try state.directory()
            try directory.create()
            let token = try role.token(directory)
            let deployer = try RoleOptions.address(deployer, "deployer", directory)
            let http = try HTTPClient()
            let base = try base(http)
            let registry = try registry.client(http)
            var limits = BuilderAPI.Limits()
            limits.spec = try builder.limits()
            limits.sourceBytes = try builder.sourceLimit()
            limits.archive = try builder.archive.limits()
            limits.builds = try builder.buildLimit()
            var fetching = HTTPClient.Configuration()
            if let path = imports.certificateFile { fetching.tls = TLSSettings(trust: .systemAnd(pemFile: path)) }
            let dependencies = Dependencies(
                registry: registry, settings: try imports.settings(), directory: directory.packages, checker: http,
                fetcher: try HTTPClient(fetching))
            let api = BuilderAPI(limits: limits, version: Version.text, logger: logger)
            let provision = BaseProvision(
                source: base, cache: try BlobCache(directory: directory.blobs), registry: registry,
                checker: CheckerConnection(
                    client: http, timing: try builder.checkerTiming(), limits: try packageChecks.limits()),
                dependencies: dependencies,
                deployer: DeployerConnection(
                    client: http, address: deployer.address, token: token),
                attestor: Attestor(
                    registry: registry, key: try builder.namedSigningKey(), version: Version.text, logger: logger),
                spool: try SpoolDirectory(directory.spool), logger: logger, progress: { Console.note($0) })
            let service = HTTPService(token: token, logger: logger, handler: api.handle)
            let place = try role.listen("builder", directory)
            let serving = Task { try await service.run(on: place) }
            let opening = Task { try await provision.open(api) }
            return RunningRole { reason in
                opening.cancel()
                serving.cancel()
                if reason == .orphaned {
                    await ProcessRecord(path: directory.record("registry")).end(grace: .seconds(5))
                }
            }
        }
    }

    /// What the base image is made from.
    private func base(_ http: HTTPClient) throws -> BaseSource {
        let platforms = try builder.platformList()
        if let reference = try builder.baseReference() {
            return .reference(
                BaseReference(reference, in: try registry.client(of: reference, http), platforms: platforms))
        }
        let deno = try builder.denoPath()
        do throws(BuilderError) {
            return .recipe(try BaseRecipe(deno: deno))
        } catch {
            throw StartError(error.message)
        }
    }
}

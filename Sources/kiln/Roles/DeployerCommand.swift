import ArgumentParser
import Contract
import Deployer
import FoundationEssentials
import Logging
import OCI
import Service
import Synchronization
import Transfer

/// `kiln deployer`: records revisions and runs them.
struct DeployerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deployer",
        abstract: "Run the Deployer: records revisions, runs instances, tells the Router of them.")

    @OptionGroup var state: StateOptions
    @OptionGroup var logs: LogOptions
    @OptionGroup var registry: RegistryOptions
    @OptionGroup var local: LocalOptions
    @OptionGroup var scale: ScaleOptions
    @OptionGroup var limits: MetricOptions
    @OptionGroup var upkeep: UpkeepOptions
    @OptionGroup var packageChecks: PackageCheckOptions
    @OptionGroup var trust: TrustOptions
    @OptionGroup(title: "Cluster") var role: RoleOptions
    @OptionGroup(title: "Cluster") var cluster: ClusterOptions
    @OptionGroup(title: "Cluster") var client: ClusterClientOptions
    @OptionGroup(title: "Cluster") var workloads: WorkloadOptions

    @Option(help: ArgumentHelp("Most bytes of what one function imports (default: 256Mi).", valueName: "bytes"))
    var maxDependencies: String?

    @Flag(help: .hidden) var supervised = false

    func run() async throws {
        try await Role.run(logs, "deployer", supervised: supervised) { logger in
            guard !cluster.isWanted else { return try await ClusterDeployerRole(command: self, logger: logger).start() }
            let directory = try state.directory()
            try directory.create()
            let http = try HTTPClient()
            let registry = try registry.client(http)
            let cache = try BlobCache(directory: directory.blobs)
            let layers = try LayerStore(directory: directory.layers, cache: cache, registry: registry)
            let metrics = DeployerMetrics(limit: try limits.functions())
            var configuration = try local.configuration(directory)
            try scale.apply(to: &configuration)
            if let bytes = try DependencyOptions.bytes(maxDependencies) { configuration.dependencyBytes = Int64(bytes) }
            var deployLimits = try upkeep.limits(directory)
            try packageChecks.apply(to: &configuration, &deployLimits)
            let backend: LocalBackend
            do {
                backend = try await LocalBackend(
                    configuration: configuration, images: RegistryImages(layers),
                    secrets: LocalSecrets(files: SecretFiles(directory: directory.secrets)), metrics: metrics,
                    logger: logger)
            } catch let error as DeployerError {
                throw StartError(error.message)
            }
            let store: SQLiteStore
            do {
                store = try SQLiteStore(path: directory.database)
            } catch let error as DeployerError {
                throw StartError(error.message)
            }
            var timing = try local.timing()
            timing.scaling = try scale.scaling()
            let reconciler = Reconciler(
                store: store, backend: backend, tags: RegistryTags(registry), epoch: RequestToken.make(bytes: 8),
                timing: timing, limits: deployLimits, metrics: metrics, trust: try trust.trust(registry), logger: logger
            )
            try await reconciler.start(base: Self.base(directory))
            let running = Task { await reconciler.run() }
            let collection = GarbageCollection(
                collector: Collector(
                    reconciler: reconciler, inventory: try inventory(registry, http, directory),
                    machine: .init(
                        layers: layers, cache: cache, leftovers: StateLeftovers(directory: directory.path)),
                    logger: logger),
                retention: try upkeep.retention())
            let service = try await serve(reconciler, collection, directory, logger)
            let collecting = try upkeep.interval().map { interval in
                Task { await collection.run(every: interval, lastRun: LastRun(path: directory.lastCollection)) }
            }
            return RunningRole { reason in
                collecting?.cancel()
                service.cancel()
                running.cancel()
                if reason == .orphaned {
                    await backend.close()
                    await ProcessRecord(path: directory.record("registry")).end(grace: .seconds(5))
                } else {
                    await backend.removeEverything()
                }
            }
        }
    }

    /// The images in the registry; when that is the supervisor's own, it can be asked to free their blobs.
    private func inventory(
        _ registry: Registry, _ http: HTTPClient, _ directory: StateDirectory
    ) throws -> RegistryInventory {
        guard registry.endpoint.keeper == .kiln else { return RegistryInventory(registry, sweeper: nil) }
        let token = try directory.internalTokenText()
        return RegistryInventory(registry) {
            try await SupervisorService.collect(http, socket: directory.socket("up"), token: token)
        }
    }

    private func serve(
        _ reconciler: Reconciler, _ collection: GarbageCollection, _ directory: StateDirectory, _ logger: Logger
    ) async throws -> Task<Void, Never> {
        let api = DeployerAPI(
            reconciler: reconciler, version: Version.text, logger: logger, collection: collection, isReady: { true }
        ) { image in
            let known = Self.base(directory)
            if known != image { try DurableFile.write(try JSON.encode(image), to: directory.base) }
            try await reconciler.setBase(image)
        }
        let service = HTTPService(token: try directory.internalTokenText(), logger: logger, handler: api.handle)
        let path = directory.socket("deployer")
        return Task {
            do {
                try await service.run(on: .unix(path: path))
            } catch is CancellationError {
            } catch {
                logger.critical("cannot serve", metadata: ["socket": "\(path)", "error": "\(error)"])
            }
        }
    }

    private static func base(_ directory: StateDirectory) -> PinnedImage? {
        FileManager.default.contents(atPath: directory.base).flatMap {
            try? JSON.decode(PinnedImage.self, from: Array($0))
        }
    }
}

/// Secrets of the state directory.
struct LocalSecrets: SecretSource {
    let files: SecretFiles
    func secret(named name: String) async throws -> String? { try files.value(name) }
}

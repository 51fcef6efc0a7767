import Contract
import Logging
import OCI

/// What the base image is made from.
package enum BaseSource: Sendable {
    /// A Deno program and libraries of this machine.
    case recipe(BaseRecipe)
    /// An image that somebody else has made.
    case reference(BaseReference)

    func ensure(
        in registry: Registry, cache: BlobCache, progress: @Sendable (String) -> Void
    ) async throws -> BaseImage {
        switch self {
        case .recipe(let recipe):
            try await BaseImage.ensure(recipe, in: registry, cache: cache, progress: progress)
        case .reference(let reference):
            try await reference.ensure(in: registry, cache: cache, progress: progress)
        }
    }
}

/// Makes the Builder ready: sees to the base image, tells the Deployer which one it is, then opens the door to deploys.
package struct BaseProvision: Sendable {
    /// How long failures go without a warning.
    private static let patience = Duration.seconds(5)

    private let source: BaseSource
    private let cache: BlobCache
    private let registry: Registry
    private let checker: any SourceChecker
    private let dependencies: Dependencies
    private let deployer: any DeployerClient
    private let attestor: Attestor?
    private let spool: SpoolDirectory?
    private let logger: Logger
    private let progress: @Sendable (String) -> Void

    /// Provides the image of `recipe`. `progress` is told what takes a while, one sentence at a time.
    package init(
        recipe: BaseRecipe, cache: BlobCache, registry: Registry, checker: any SourceChecker,
        dependencies: Dependencies, deployer: any DeployerClient, attestor: Attestor? = nil,
        spool: SpoolDirectory? = nil, logger: Logger, progress: @escaping @Sendable (String) -> Void
    ) {
        self.init(
            source: .recipe(recipe), cache: cache, registry: registry, checker: checker, dependencies: dependencies,
            deployer: deployer, attestor: attestor, spool: spool, logger: logger, progress: progress)
    }

    /// Provides the image of `source`, to a pipeline that keeps what is large in `spool` while it is built. `progress` is told what takes a while, one sentence at a time.
    package init(
        source: BaseSource, cache: BlobCache, registry: Registry, checker: any SourceChecker,
        dependencies: Dependencies, deployer: any DeployerClient, attestor: Attestor? = nil,
        spool: SpoolDirectory? = nil, logger: Logger, progress: @escaping @Sendable (String) -> Void
    ) {
        self.attestor = attestor
        self.spool = spool
        self.source = source
        self.cache = cache
        self.registry = registry
        self.checker = checker
        self.dependencies = dependencies
        self.deployer = deployer
        self.logger = logger
        self.progress = progress
    }

    /// Sees to the base image once, and lets deploys begin with it.
    @discardableResult
    private func provide(to api: BuilderAPI) async throws -> BaseImage {
        let base = try await source.ensure(in: registry, cache: cache, progress: progress)
        try await deployer.setBase(base.pinned)
        api.open(
            BuildPipeline(
                registry: registry, base: base, checker: checker, dependencies: dependencies, deployer: deployer,
                attestor: attestor, logger: logger, metrics: api.metrics, spool: spool))
        logger.info("base image ready", metadata: ["image": "\(base.pinned)"])
        return base
    }

    /// Returns when `api` is open. Tries again as long as the registry or the Deployer fails: they may still be
    /// starting. Throws `recipe` when the base image cannot be made on this machine.
    package func open(_ api: BuilderAPI) async throws {
        var pause = Duration.milliseconds(20)
        let started = ContinuousClock.now
        while true {
            do {
                try await provide(to: api)
                api.allowUpdates { try await provide(to: api) }
                return
            } catch let error as BuilderError where error.code == .recipe {
                logger.critical("there is no base image", metadata: ["error": "\(error)"])
                api.wait(because: error.message)
                throw error
            } catch {
                // All roles start at once: in the first moments the others may not answer yet.
                let level: Logger.Level = started.duration(to: .now) < Self.patience ? .debug : .warning
                logger.log(level: level, "the base image is not ready yet", metadata: ["error": "\(error)"])
                // Only what an operator has to act on: the others pass.
                if let error = error as? OCIError, level == .warning { api.wait(because: error.message) }
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(5))
        }
    }
}

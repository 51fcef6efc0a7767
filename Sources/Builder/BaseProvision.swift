import Contract
import Logging
import OCI

/// Makes the Builder ready: sees to the base image, tells the Deployer which one it is, then opens the door to deploys.
package struct BaseProvision: Sendable {
    /// How long failures go without a warning.
    private static let patience = Duration.seconds(5)

    private let recipe: BaseRecipe
    private let cache: BlobCache
    private let registry: Registry
    private let checker: any SourceChecker
    private let dependencies: Dependencies
    private let deployer: any DeployerClient
    private let attestor: Attestor?
    private let logger: Logger
    private let progress: @Sendable (String) -> Void

    /// Provides the image of `recipe`. `progress` is told what takes a while, one sentence at a time.
    package init(
        recipe: BaseRecipe, cache: BlobCache, registry: Registry, checker: any SourceChecker,
        dependencies: Dependencies, deployer: any DeployerClient, attestor: Attestor? = nil,
        logger: Logger, progress: @escaping @Sendable (String) -> Void
    ) {
        self.attestor = attestor
        self.recipe = recipe
        self.cache = cache
        self.registry = registry
        self.checker = checker
        self.dependencies = dependencies
        self.deployer = deployer
        self.logger = logger
        self.progress = progress
    }

    /// Returns when `api` is open. Tries again as long as the registry or the Deployer fails: they may still be
    /// starting. Throws `recipe` when the base image cannot be made on this machine.
    package func open(_ api: BuilderAPI) async throws {
        var pause = Duration.milliseconds(20)
        let started = ContinuousClock.now
        while true {
            do {
                let base = try await BaseImage.ensure(recipe, in: registry, cache: cache, progress: progress)
                try await deployer.setBase(base.pinned)
                api.open(
                    BuildPipeline(
                        registry: registry, base: base, checker: checker, dependencies: dependencies,
                        deployer: deployer, attestor: attestor, logger: logger, metrics: api.metrics))
                logger.info("base image ready", metadata: ["image": "\(base.pinned)"])
                return
            } catch let error as BuilderError where error.code == .recipe {
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

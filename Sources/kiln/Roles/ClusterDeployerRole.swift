import Contract
import Deployer
import Kubernetes
import Logging
import OCI
import Service
import Transfer

/// A Deployer of a cluster, as `kiln deployer --kubernetes` runs it.
struct ClusterDeployerRole {
    let command: DeployerCommand
    let logger: Logger

    func start() async throws -> RunningRole {
        let directory = try command.state.directory()
        try directory.create()
        guard let listen = try command.role.option() else {
            throw StartError(
                "The other roles of a cluster reach a Deployer by its address: name it with --role-listen HOST:PORT.")
        }
        let token = try command.role.token(directory)
        let connection = try command.cluster.connection()
        let system = try command.workloads.system(connection)
        let address = try command.workloads.address(listen)
        let settings = try command.workloads.settings(
            functions: command.cluster.functions(), system: system,
            temporaryBytes: command.local.configuration(directory).temporaryBytes)
        var configuration = ClusterDeployer.Configuration(
            settings: settings, system: system, identity: "\(ReplicaName.own)_\(address)", address: address,
            token: token)
        configuration.timing = try command.local.timing()
        configuration.routers.service = try command.workloads.routers()
        configuration.timing.scaling = try command.scale.scaling()
        configuration.limits = try command.upkeep.limits(directory)
        // The record is the cluster's: there is no disk to keep free.
        configuration.limits.directory = nil
        configuration.client = try command.client.configuration()
        configuration.version = Version.text
        let http = try HTTPClient()
        let registry = try command.registry.client(http)
        configuration.trust = try command.trust.trust(registry)
        let upkeep = ClusterDeployer.Upkeep(
            interval: try command.upkeep.interval(), lastRun: LastRun(path: directory.lastCollection)
        ) { [logger, retention = try command.upkeep.retention()] reconciler in
            GarbageCollection(
                collector: Collector(
                    reconciler: reconciler, inventory: RegistryInventory(registry, sweeper: nil), machine: nil,
                    logger: logger), retention: retention)
        }
        let deployer = try ClusterDeployer(
            connection, configuration, tags: RegistryTags(registry),
            metrics: DeployerMetrics(limit: try command.limits.functions()), upkeep: upkeep, http: http, logger: logger)
        logger.info(
            "on a cluster",
            metadata: ["server": "\(connection.server)", "namespace": "\(settings.namespace)", "system": "\(system)"])
        let service = HTTPService(token: token, logger: logger, handler: deployer.handle)
        let serving = Task { [logger] in
            do {
                try await service.run(on: .tcp(host: listen.host, port: listen.port))
            } catch is CancellationError {
            } catch {
                logger.critical("cannot serve", metadata: ["address": "\(listen.text)", "error": "\(error)"])
            }
        }
        let running = Task { try await deployer.run() }
        return RunningRole { _ in
            // The lease is given up first, so that another leads while what is under way here ends.
            running.cancel()
            _ = await running.result
            serving.cancel()
        }
    }
}

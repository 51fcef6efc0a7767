import Contract
import FoundationEssentials
import Glibc
import Logging

/// Runs workloads as containers of this machine: by its OCI runtime under conmon, each in its own network namespace behind a
/// firewall table.
///
/// What exists is on record before it does: directories under `instances/` and names that start with the installation. So a
/// Deployer that dies at any instruction is followed by one whose ``adopt(_:)`` keeps what should run and removes the rest.
package actor LocalBackend: Backend {
    package nonisolated let events: AsyncStream<WorkloadEvent>

    private let sink: AsyncStream<WorkloadEvent>.Continuation
    private let maker: InstanceMaker
    private let host: LocalHost
    private let logKeeper: LogKeeper
    private var forwarder: DNSForwarder?
    private var runners: [WorkloadID: WorkloadRunner] = [:]
    /// What workloads had behind them when they were parked.
    private var past: [WorkloadID: WorkloadRunner.Past] = [:]
    private var leftovers: Task<Void, Never>?

    /// Checks what the machine can do; throws ``DeployerError`` with one clear sentence when it cannot run instances.
    package init(
        configuration: LocalConfiguration, images: any ImageSource, secrets: any SecretSource,
        metrics: DeployerMetrics = DeployerMetrics(), logger: Logger
    ) async throws {
        try await self.init(
            configuration: configuration, images: images, secrets: secrets, metrics: metrics, logger: logger,
            checkpoint: { _ in })
    }

    /// The same, with a closure that is called at each step of an instance's making.
    init(
        configuration: LocalConfiguration, images: any ImageSource, secrets: any SecretSource,
        metrics: DeployerMetrics = DeployerMetrics(), logger: Logger,
        checkpoint: @escaping @Sendable (InstanceStep) async -> Void
    ) async throws {
        (events, sink) = AsyncStream.makeStream()
        let host = try await LocalHost(configuration)
        let servers = Self.nameServers(configuration)
        let forwarder = try await host.startForwarder(servers: servers, logger: logger)
        let network = host.network(nameServerPort: forwarder.port, logger: logger)
        self.host = host
        logKeeper = try LogKeeper(instances: host.configuration.instances)
        self.forwarder = forwarder
        maker = InstanceMaker(
            configuration: host.configuration, images: images, secrets: secrets, runtime: host.runtime,
            monitor: host.monitor, sandbox: host.sandbox, cgroups: host.cgroups, network: network, pool: host.pool,
            userIDs: UserIDs(first: configuration.firstUserID), watch: host.watch,
            archive: LogArchive(directory: host.configuration.logs, perFunction: configuration.keptLogs),
            metrics: metrics,
            budget: MemoryBudget(
                total: configuration.memoryBudget, measure: { [cgroups = host.cgroups] in cgroups.memory($0) }),
            gate: StartGate(limit: ProcessInfo.processInfo.activeProcessorCount + 2), logger: logger,
            checkpoint: checkpoint)
    }

    package func adopt(_ desired: [Workload], parkable: Set<WorkloadID>) async throws -> Set<WorkloadID> {
        let found = await Adoption(maker: maker).find(desired)
        try await maker.network.start(
            adopted: found.kept.values.flatMap(\.self).compactMap(\.slot) + found.unwanted.compactMap(\.slot))
        await Sweep(maker: maker).run(keeping: found.all)
        var parked: Set<WorkloadID> = []
        for workload in desired {
            let kept = found.kept[workload.id] ?? []
            if kept.isEmpty, parkable.contains(workload.id) {
                parked.insert(workload.id)
                continue
            }
            let runner = runner(of: workload)
            runners[workload.id] = runner
            await runner.start(adopting: kept)
        }
        // What still answers requests of an earlier Deployer's gets its grace period, without holding up this one.
        leftovers = Task { [maker] in
            await withTaskGroup(of: Void.self) { group in
                for instance in found.unwanted { group.addTask { await maker.stop(instance) } }
            }
        }
        return parked
    }

    package func rollOut(_ workload: Workload) async throws {
        if let running = runners[workload.id], running.workload != workload { await retire(workload.id) }
        let runner = runners[workload.id] ?? runner(of: workload)
        runners[workload.id] = runner
        await runner.raise(to: workload.spec.minimumInstances)
        do {
            try await runner.becomeReady()
        } catch {
            // Deaf to cancellation: nothing of a failed rollout may stay.
            await Task { await self.retire(runner) }.value
            throw error
        }
    }

    package func retire(_ id: WorkloadID) async {
        guard let runner = runners[id] else { return }
        await retire(runner)
        if case .revision = id { remember(await runner.past, of: id) }
    }

    package func memory() async -> MemoryUsage? {
        maker.budget.total.map { MemoryUsage(used: maker.budget.used, limit: $0) }
    }

    package func scale(
        _ id: WorkloadID, to count: Int, drained: @escaping @Sendable (Set<String>) async -> Void
    ) async {
        await runners[id]?.scale(to: max(1, count), drained: drained)
    }

    package func watchLimits(of id: WorkloadID) async { await runners[id]?.watchLimits() }

    package func usage(of id: WorkloadID) async -> WorkloadUsage? { await runners[id]?.usage() }

    package func status(of id: WorkloadID) async -> WorkloadStatus? {
        if let runner = runners[id] { return await runner.status }
        return past[id].map {
            WorkloadStatus(
                ready: 0, desired: 0, restarts: $0.restarts, lastFailure: $0.lastFailure, warnings: $0.warnings)
        }
    }

    package func logs(
        of function: FunctionName, _ query: LogQuery
    ) async -> AsyncStream<[LogLine]> {
        FunctionLogs(
            instances: maker.configuration.instances, archive: maker.archive, watch: maker.watch,
            fileBytes: maker.configuration.logFileBytes
        ).stream(of: function, query)
    }

    /// Stops watching and supervising. Instances go on running, and the next Kiln adopts them.
    package func close() async {
        for runner in runners.values { await runner.abandon() }
        runners = [:]
        await leftovers?.value
        await maker.network.stop()
        logKeeper.stop()
        await forwarder?.stop()
        forwarder = nil
        sink.finish()
    }

    /// Ends every instance, and removes all that this installation ever made on the machine: containers, network, firewall table, control
    /// groups. The state directory keeps the logs.
    package func removeEverything() async {
        await withTaskGroup(of: Void.self) { group in
            for runner in runners.values { group.addTask { await runner.retire() } }
        }
        await close()
        await Sweep(maker: maker).run(keeping: [])
        await maker.network.removeAll()
        maker.cgroups.removeAll()
        DiskFile.removeTree(OCIRuntime.directory(maker.configuration.installation))
    }

    /// Numbers are not used again, so that what is remembered can be of no other revision.
    private func remember(_ known: WorkloadRunner.Past, of id: WorkloadID) {
        past[id] = nil
        guard known.restarts > 0 || known.lastFailure != nil || !known.limits.isEmpty else { return }
        if past.count >= 10_000, let some = past.keys.first { past[some] = nil }
        past[id] = known
    }

    private func retire(_ runner: WorkloadRunner) async {
        await runner.retire()
        if runners[runner.workload.id] === runner { runners[runner.workload.id] = nil }
    }

    private func runner(of workload: Workload) -> WorkloadRunner {
        let sink = sink
        return WorkloadRunner(workload, past: past[workload.id] ?? .init(), maker: maker) {
            sink.yield(.endpoints(workload.id, $0))
        }
    }

    private static func nameServers(_ configuration: LocalConfiguration) -> @Sendable () -> NameServers {
        if let fixed = configuration.nameServers.map({ NameServers($0) }) { return { fixed } }
        let file = ResolverFile()
        return { file.servers }
    }
}

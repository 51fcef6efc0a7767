import Contract
import FoundationEssentials
import Glibc
import Logging

/// Makes, ends and removes instances: the order of steps, and what is left when one fails (nothing).
struct InstanceMaker: Sendable {
    let configuration: LocalConfiguration
    let images: any ImageSource
    let secrets: any SecretSource
    let runtime: OCIRuntime
    let monitor: Monitor
    let sandbox: Sandbox
    let cgroups: Cgroups
    let network: NetworkPool
    let pool: AddressPool
    let userIDs: UserIDs
    let watch: DirectoryWatch
    let archive: LogArchive
    let metrics: DeployerMetrics
    let budget: MemoryBudget
    let gate: StartGate
    let logger: Logger
    /// Called after each step.
    let checkpoint: @Sendable (InstanceStep) async -> Void

    /// Makes an instance of `workload` that accepts requests. Throws ``RolloutFailure``, or `CancellationError`; nothing is left then.
    func launch(_ workload: Workload) async throws -> Instance {
        // Kiln's own are not in the functions' budget, nor do they stand in their queue.
        guard workload.id != .checker else { return try await measured(workload) }
        let turn = await gate.turn()
        defer { turn.end() }
        let (seat, limit) = (InstanceID.random(), workload.spec.memoryBytes)
        do throws(MemoryBudget.Shortage) {
            try budget.reserve(limit, for: seat)
        } catch {
            throw RolloutFailure(.noRoom, error.description)
        }
        do {
            let instance = try await measured(workload)
            budget.started(seat, instance.record.id, limit: limit)
            return instance
        } catch {
            budget.started(seat, nil, limit: limit)
            throw error
        }
    }

    private func measured(_ workload: Workload) async throws -> Instance {
        try Task.checkCancellation()
        let began = ContinuousClock.now
        do {
            let instance = try await start(workload)
            metrics.started("ready", after: began.duration(to: .now))
            return instance
        } catch let failure as RolloutFailure {
            metrics.started(failure.code.rawValue, after: began.duration(to: .now))
            throw failure
        }
    }

    private func start(_ workload: Workload) async throws -> Instance {
        let image = try await imageFiles(workload.image)
        let environment = Sandbox.environment(
            image: image.environment, workload: workload, secrets: try await values(of: workload.spec.secrets))
        let size = environment.reduce(0) { $0 + $1.utf8.count + 1 }
        guard size <= LocalConfiguration.environmentBytes else {
            throw RolloutFailure(
                .secretTooLarge,
                "Its environment and secrets have \(size) bytes together; an instance takes at most \(LocalConfiguration.environmentBytes). "
                    + "Give it fewer or smaller ones.")
        }
        try Task.checkCancellation()
        // Once begun, creating goes on to a point from which everything can be taken back.
        let instance = try await Task { try await create(workload, image: image, environment: environment) }.value
        do {
            try Task.checkCancellation()
            let changes = try watch.changes(in: instance.paths.sockets)
            try await runtime.start(instance.record.id)
            await checkpoint(.started)
            try await waitUntilOpen(instance, changes: changes)
            await checkpoint(.opened)
            return instance
        } catch let error as DeployerError {
            await remove(instance)
            throw RolloutFailure(.platform, error.description)
        } catch {
            await remove(instance)
            throw error
        }
    }

    /// Waits until a started instance accepts requests; throws ``RolloutFailure`` when it ends or takes too long.
    func waitUntilOpen(_ instance: Instance, changes: AsyncStream<Void>) async throws {
        enum Outcome: Sendable { case open, ended, late }
        let gate = SocketGate(paths: instance.paths, userID: instance.record.userID)
        let outcome = try await withThrowingTaskGroup(of: Outcome.self) { group in
            defer { group.cancelAll() }
            group.addTask {
                try await gate.opened(changes: changes)
                return .open
            }
            group.addTask {
                guard await instance.process.exited() else { throw CancellationError() }
                return .ended
            }
            group.addTask {
                try await Task.sleep(for: configuration.startDeadline)
                return .late
            }
            return try await group.next() ?? .late
        }
        switch outcome {
        case .open: return
        case .ended:
            let (end, sentence) = await end(of: instance)
            throw RolloutFailure(
                end.code, "The function ended before it accepted a request: \(sentence).", logs: lastLines(of: instance)
            )
        case .late:
            throw RolloutFailure(
                .timedOut,
                "The function did not accept requests within \(configuration.startDeadline.inSeconds) (--start-deadline).",
                logs: lastLines(of: instance))
        }
    }

    /// How an instance whose process has ended did so, also in words, with what it was refused before.
    func end(of instance: Instance) async -> (end: InstanceEnd, sentence: String) {
        // conmon writes the code once it has taken the last output.
        _ = await instance.monitor?.exited(within: .seconds(2))
        let end = InstanceEnd(
            exitFile: DiskFile.text(instance.paths.exit),
            outOfMemoryKills: cgroups.outOfMemoryKills(instance.record.id),
            memoryLimit: instance.record.workload.spec.memoryBytes, lastLines: lastLines(of: instance, count: 100))
        metrics.ended(instance.record.workload.id, reason: end.label)
        // Few are prepared not to get a thread.
        guard cgroups.refusedTasks(instance.record.id) > 0 else { return (end, end.description) }
        let limit = cgroups.tasks(instance.record.id).map { "\($0), " } ?? ""
        return (end, "\(end), after it was refused a process or thread (limit \(limit)--max-tasks)")
    }

    /// Lets an instance end: SIGTERM, the grace period, SIGKILL. Then removes it.
    func stop(_ instance: Instance) async {
        if instance.process.signal(SIGTERM), !(await instance.process.exited(within: configuration.gracePeriod)) {
            logger.warning("instance did not end in time, killing it", metadata: ["instance": "\(instance.record.id)"])
        }
        await remove(instance)
    }

    /// Removes all there is of an instance, killing it if need be; its log is kept for a while.
    func remove(_ instance: Instance) async {
        await Task {
            // The first process of a process namespace takes all others with it (pid_namespaces(7)).
            instance.process.signal(SIGKILL)
            _ = await instance.process.exited(within: .seconds(10))
            _ = await instance.monitor?.exited(within: .seconds(2))
            await clear(instance.record.id, paths: instance.paths, record: instance.record)
            budget.ended(instance.record.id)
            if let slot = instance.slot { await network.release(slot) }
            userIDs.giveBack(instance.record.userID)
        }.value
    }

    /// Removes whatever there is of the instance `id`, known or not, whatever state it is in.
    func clear(_ id: String, paths: InstancePaths, record: InstanceRecord?) async {
        await runtime.remove(id)
        if let monitor = Monitor.running(paths, instance: id) {
            monitor.signal(SIGKILL)
            _ = await monitor.exited(within: .seconds(2))
        }
        await cgroups.remove(id)
        if let record { archive.keep(paths.log, of: record) }
        // Each may wait 100 ms for all processors to let go of a mount (RCU).
        await Blocking.run {
            Mounts.removeAll(below: paths.directory)
            DiskFile.removeTree(paths.directory)
        }
    }

    /// The last lines that an instance printed.
    func lastLines(of instance: Instance, count: Int = 20) -> [String] {
        LogReader.lastLines(of: instance.paths.log, count: count).map(\.message)
    }

    private func create(_ workload: Workload, image: PreparedImage, environment: [String]) async throws -> Instance {
        let id = InstanceID.random()
        let paths = InstancePaths(instances: configuration.instances, id: id)
        var slot: NetworkSlot?
        var record: InstanceRecord?
        do {
            if workload.spec.network != .none { slot = try await network.acquire(workload.spec.network) }
            let userID = try userIDs.take()
            let made = InstanceRecord(
                id: id, workload: workload, userID: userID, networkSlot: slot?.number,
                addressPool: slot.map { _ in pool.range.description }, created: .now())
            record = made
            let process = try await create(made, paths: paths, image: image, environment: environment, slot: slot)
            return Instance(
                record: made, paths: paths, process: process, monitor: Monitor.running(paths, instance: id), slot: slot)
        } catch {
            await LeftoverProcesses(of: self).end { $0 == id }
            await clear(id, paths: paths, record: record)
            if let slot { await network.release(slot) }
            if let record { userIDs.giveBack(record.userID) }
            throw RolloutFailure(.platform, "\(error)")
        }
    }

    private func create(
        _ record: InstanceRecord, paths: InstancePaths, image: PreparedImage, environment: [String], slot: NetworkSlot?
    ) async throws -> ProcessHandle {
        try record.makeDirectory(in: configuration.instances)
        await checkpoint(.recorded)

        try DiskFile.directory(paths.run, mode: 0o711)
        // Room for the socket and not much else: what an instance writes there is not its root's or /tmp's business.
        try Mounts.memory(at: paths.run, bytes: 64 << 10, entries: 16)
        try DiskFile.directory(paths.sockets)
        guard chown(paths.sockets, record.userID, record.userID) == 0 else {
            throw DeployerError.system("give \(paths.sockets) to user \(record.userID)")
        }
        await checkpoint(.mounted)

        for directory in [paths.bundle, paths.root, paths.emptyLayer] { try DiskFile.directory(directory, mode: 0o755) }
        let resolver = slot == nil ? "" : "nameserver \(pool.nameServer)\noptions timeout:2 attempts:3\n"
        try DiskFile.write(resolver.utf8, to: paths.resolver, mode: 0o644)
        try DiskFile.write("127.0.0.1 localhost\n".utf8, to: paths.hosts, mode: 0o644)
        let specification = sandbox.specification(
            of: record, image: image, paths: paths, environment: environment,
            namespace: slot.map { NetworkSlot.Names(installation: configuration.installation).namespacePath($0.number) }
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try DiskFile.write(encoder.encode(specification), to: paths.configuration)
        await checkpoint(.bundled)

        let process = try await monitor.create(
            record.id, paths: paths, layers: image.layers.count == 1 ? [paths.emptyLayer] + image.layers : image.layers,
            logBytes: configuration.logFileBytes, groups: cgroups.monitorGroups(of: record.id))
        cgroups.limitMonitor(of: record.id, millicores: configuration.logMillicores)
        // It holds secrets, and the runtime has read it.
        unlink(paths.configuration)
        await checkpoint(.created)
        return process
    }

    private func imageFiles(_ image: PinnedImage) async throws -> PreparedImage {
        do {
            let files = try await images.rootFilesystem(of: image)
            guard !files.layers.isEmpty, !files.entrypoint.isEmpty || !files.command.isEmpty else {
                throw RolloutFailure(.image, "The image \(image) has no layers or nothing to run.")
            }
            return files
        } catch let error where !(error is RolloutFailure || error is CancellationError) {
            throw RolloutFailure(
                .image,
                "The image \(image) cannot be used: \(error) If the registry has lost it, deploy its source again.")
        }
    }

    private func values(of names: [String]) async throws -> [String: String] {
        var values: [String: String] = [:]
        for name in names {
            do {
                values[name] = try await secrets.secret(named: name)
            } catch let error where !(error is CancellationError) {
                throw RolloutFailure(.platform, "The secret \(name) cannot be used: \(error).")
            }
            if let size = values[name]?.utf8.count, size > configuration.secretBytes {
                throw RolloutFailure(
                    .secretTooLarge,
                    "The secret \(name) has \(size) bytes; at most \(configuration.secretBytes) are allowed (--max-secret-bytes)."
                )
            }
            guard values[name] != nil else {
                throw RolloutFailure(
                    .secretMissing,
                    "There is no secret \(name). Run 'kiln secret set \(name)', which reads its value from standard input, then deploy again."
                )
            }
        }
        return values
    }
}

extension Duration {
    /// `10 s` or `0.5 s`.
    fileprivate var inSeconds: String {
        let value = Double(milliseconds) / 1000
        return value == value.rounded() ? "\(Int(value)) s" : "\(value) s"
    }
}

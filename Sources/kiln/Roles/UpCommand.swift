import ArgumentParser
import Builder
import Contract
import Deployer
import FoundationEssentials
import Glibc
import Logging
import OCI
import Router
import Transfer

/// `kiln up`: the whole platform on one machine.
struct UpCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "up", abstract: "Run the whole platform on this machine: registry, Builder, Deployer and Router.")

    @OptionGroup var state: StateOptions
    @OptionGroup var logs: LogOptions
    @OptionGroup var up: UpOptions
    @OptionGroup var registry: RegistryOptions
    @OptionGroup var door: DoorOptions
    @OptionGroup var tls: TLSOptions
    @OptionGroup var traffic: TrafficOptions
    @OptionGroup var accessLog: AccessLogOptions
    @OptionGroup var traces: TraceOptions
    @OptionGroup var builder: BuilderOptions
    @OptionGroup var imports: DependencyOptions
    @OptionGroup var packageChecks: PackageCheckOptions
    @OptionGroup var local: LocalOptions
    @OptionGroup var scale: ScaleOptions
    @OptionGroup var metrics: MetricOptions
    @OptionGroup var upkeep: UpkeepOptions
    @OptionGroup var trust: TrustOptions

    func run() async throws {
        let logger = try logs.logger("up")
        do {
            try await supervise(logger)
        } catch let error as StartError {
            Console.error(error.description)
            throw ExitCode(1)
        }
    }

    private func supervise(_ logger: Logger) async throws {
        guard getuid() == 0 else {
            throw StartError("Kiln runs functions as containers and needs root for that. Run it with sudo.")
        }
        OpenFiles.raise()
        let reasons = Shutdown.reasons(lifeline: false)
        let directory = try state.directory()
        try directory.create()
        let limits = try upkeep.limits(directory)
        let reserve = DiskReserve(directory: directory.path, minimum: limits.freeBytes)
        if let sentence = reserve.update() { Console.note(sentence) }
        try DiskSpace.require(limits.freeBytes, in: directory)
        let lock = try StateLock(directory.lock)
        try directory.requireRecord()
        _ = try directory.internalTokenText()
        try KeyFile.publish(try (builder.namedSigningKey() ?? KeyFile.own(directory)).verifyingKey, in: directory)
        try validate(directory)
        for child in ["router", "builder", "deployer", "collector", "registry"] {
            await ProcessRecord(path: directory.record(child)).end(grace: .seconds(10))
        }
        await RegistryProgram.endLeftovers(of: directory.registryConfiguration)
        let frontDoor = try FrontDoor(try door.address())
        let images = try await images(directory)
        let plans = try plans(directory, frontDoor, images)
        let supervisor = try Supervisor(state: directory, logger: logger)
        let keeper = try images.program.map { try RegistryKeeper(directory, $0, supervisor, logger: logger) }
        let token = try directory.internalTokenText()
        let service = keeper.map { keeper in
            Task {
                await SupervisorService(keeper: keeper)
                    .run(socket: directory.socket("up"), token: token, logger: logger)
            }
        }
        let watching = Task { await reserve.watch(logger) }
        let trimming = Task { [limit = try up.registryLogLimit()] in
            await CappedLog(path: directory.registryLog, limit: limit).watch()
        }
        defer {
            service?.cancel()
            watching.cancel()
            trimming.cancel()
        }
        let started = ContinuousClock.now
        for plan in plans { try await supervisor.start(plan) }
        let outcome = await waitUntilReady(directory, supervisor, reasons)
        if outcome == .ready {
            let url = "\(try tls.scheme())://\(ListenOption(host: try door.address().host, port: frontDoor.port).text)"
            try DurableFile.write(Array("\(images.address)\n".utf8), to: directory.registryAddress)
            try DurableFile.write(Array("\(url)\n".utf8), to: directory.address)
            Console.banner(
                url: url, registry: images.address, started.duration(to: .now),
                token: try door.managementToken() != nil)
        }
        let failed = outcome == .ready ? await Self.waitForEnd(supervisor, reasons) : outcome
        unlink(directory.address)
        unlink(directory.registryAddress)
        frontDoor.leave()
        await keeper?.close()
        await stop(plans, supervisor, reasons)
        withExtendedLifetime(lock) {}
        if case .failed(let child) = failed {
            throw StartError("The \(child) cannot run; its message above says why.")
        }
    }

    /// Reads every option once, so that a wrong one ends the start with a sentence instead of a child's.
    private func validate(_ directory: StateDirectory) throws {
        _ = try door.managementToken()
        _ = try (door.trusted(), door.threadCount(), door.hostNames(), door.functionHosts(), door.speaksProxyProtocol())
        var door = RouterConfiguration(listen: .inherited(descriptor: -1))
        try traffic.apply(to: &door)
        try tls.apply(to: &door)
        _ = try (builder.limits(), builder.sourceLimit(), builder.buildLimit(), builder.checkerTiming())
        _ = try (builder.namedSigningKey(), trust.keys())
        _ = try (builder.checkBase(), builder.archive.limits(), imports.settings(), packageChecks.limits())
        var configuration = try local.configuration(directory)
        try scale.apply(to: &configuration)
        _ = try (local.timing(), scale.scaling(), metrics.functions())
        _ = try (accessLog.open(), up.registryLogLimit(), upkeep.retention(), upkeep.interval())
        try traces.check()
    }

    private enum Outcome: Equatable, Sendable {
        case ready
        case asked
        case failed(String)
    }

    /// Where the images are, and how the roles are told.
    private enum Images {
        case embedded(RegistryProgram)
        case external(RegistryAccess)

        var program: RegistryProgram? { if case .embedded(let program) = self { program } else { nil } }

        var address: String {
            switch self {
            case .embedded(let program): program.address
            case .external(let access): access.registry
            }
        }

        var arguments: [String] {
            switch self {
            case .embedded(let program): ["--registry", program.address, "--registry-embedded"]
            case .external(let access): access.arguments
            }
        }
    }

    private func images(_ directory: StateDirectory) async throws -> Images {
        let external = try registry.external()
        try await RegistryHome(directory).settle(external)
        if let external { return .external(external) }
        return .embedded(
            try RegistryProgram(directory, address: up.registryAddress(), secret: RequestToken.make(bytes: 16)))
    }

    private func plans(_ directory: StateDirectory, _ frontDoor: FrontDoor, _ images: Images) throws -> [ChildPlan] {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let common = ["--state-dir", directory.path, "--supervised"] + logs.arguments
        let embedded = try images.program.map { [try $0.plan(.writable)] } ?? []
        return embedded + [
            ChildPlan(
                name: "deployer",
                arguments: [program, "deployer"] + images.arguments + common + local.arguments
                    + scale.arguments + metrics.arguments + upkeep.arguments
                    + packageChecks.arguments + trust.arguments + [
                        "--max-dependencies", String(try imports.settings().bytes),
                    ],
                grace: .seconds(30)),
            ChildPlan(
                name: "builder",
                arguments: [program, "builder"] + images.arguments + common + builder.arguments
                    + (try builder.namedSigningKey() == nil ? ["--signing-key", directory.signingKey] : [])
                    + imports.arguments + packageChecks.arguments,
                grace: .seconds(10)),
            ChildPlan(
                name: "router",
                arguments: [program, "router", "--listen-descriptor", "3"] + common + door.arguments
                    + tls.arguments + traffic.arguments + accessLog.arguments + metrics.arguments
                    + traces.arguments,
                inherited: frontDoor.descriptor, grace: .seconds(40)),
        ]
    }

    /// Waits until every role says that it is ready, a child gives up, or somebody asks to end.
    private func waitUntilReady(
        _ directory: StateDirectory, _ supervisor: Supervisor, _ reasons: Broadcast<ShutdownReason>
    ) async -> Outcome {
        await withTaskGroup(of: Outcome.self) { group in
            group.addTask {
                guard let client = try? HTTPClient() else { return .failed("supervisor") }
                for role in ["deployer", "builder"] {
                    while !Task.isCancelled, await !Self.isReady(client, directory.socket(role)) {
                        try? await Task.sleep(for: .milliseconds(20))
                    }
                }
                return .ready
            }
            group.addTask { await Self.waitForEnd(supervisor, reasons) }
            let first = await group.next() ?? .asked
            group.cancelAll()
            return first
        }
    }

    private static func waitForEnd(_ supervisor: Supervisor, _ reasons: Broadcast<ShutdownReason>) async -> Outcome {
        await withTaskGroup(of: Outcome.self) { group in
            group.addTask {
                _ = await reasons.first()
                return .asked
            }
            group.addTask {
                await supervisor.failures.first().map { .failed($0) } ?? .asked
            }
            let first = await group.next() ?? .asked
            group.cancelAll()
            return first
        }
    }

    private static func isReady(_ client: HTTPClient, _ socket: String) async -> Bool {
        let answer = try? await client.collect(
            ClientRequest(.get, "http://role/readyz", socket: socket), limit: 1 << 16)
        return answer?.status == 200
    }

    /// Ends the children, the front door first; a second Ctrl-C ends them at once.
    private func stop(_ plans: [ChildPlan], _ supervisor: Supervisor, _ reasons: Broadcast<ShutdownReason>) async {
        Console.note("Stopping: requests in flight end first. Ctrl-C again ends at once.")
        let seen = reasons.count
        let impatient = Task {
            if await reasons.first(skipping: seen) != nil { await supervisor.killAll() }
        }
        for plan in plans.reversed() { await supervisor.stop(plan) }
        impatient.cancel()
        Console.note(
            reasons.count > seen
                ? "Ended at once. Instances of functions may run on; the next start takes them over." : "Stopped.")
    }
}

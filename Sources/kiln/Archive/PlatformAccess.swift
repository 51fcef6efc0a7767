import Contract
import Deployer
import FoundationEssentials
import Glibc
import OCI
import Service
import Transfer

/// The platform of a state directory, running or not: its registry and its record, for exports and imports.
struct PlatformAccess: Sendable {
    /// Whether `kiln up` runs on the state directory.
    enum Condition: Sendable {
        /// Yes: changes go through its Deployer.
        case running
        /// No, and nobody can start it as long as this is there.
        case stopped(StateLock)
    }

    /// The state directory.
    let state: StateDirectory
    /// Whether the platform runs.
    let condition: Condition
    /// Its registry.
    let registry: Registry
    private let http: HTTPClient

    /// Gives `body` the platform of `state`. One that does not run gets its registry started for that time.
    static func with<Value: Sendable>(
        _ state: StateDirectory, _ body: (PlatformAccess) async throws -> Value
    ) async throws -> Value {
        let http = try HTTPClient()
        let external = try RegistryHome(state).external()?.client(http, keeper: .another)
        if let address = runningRegistry(state) {
            let registry = external ?? own(address, http)
            return try await body(PlatformAccess(state: state, condition: .running, registry: registry, http: http))
        }
        let lock = try StateLock(state.lock)
        if let external {
            return try await body(
                PlatformAccess(state: state, condition: .stopped(lock), registry: external, http: http))
        }
        await ProcessRecord(path: state.record("registry")).end(grace: .seconds(5))
        await RegistryProgram.endLeftovers(of: state.registryConfiguration)
        let program = try RegistryProgram(
            state, address: "127.0.0.1:\(FrontDoor.freePort())", secret: RequestToken.make(bytes: 16))
        let plan = try program.plan(.writable)
        let lifeline = try Lifeline()
        let child = try ChildProcess(plan.arguments, lifeline: lifeline.readEnd, inherited: nil, log: plan.log)
        let record = ProcessRecord(path: state.record("registry"))
        try record.write(child.pid)
        let outcome: Result<Value, any Error>
        do {
            try await wait(for: program.address, http)
            outcome = .success(
                try await body(
                    PlatformAccess(
                        state: state, condition: .stopped(lock), registry: own(program.address, http), http: http)))
        } catch {
            outcome = .failure(error)
        }
        child.signal(SIGTERM)
        _ = await child.exitCode
        unlink(record.path)
        return try outcome.get()
    }

    /// Records `function`, whose images are in the registry.
    func adopt(_ function: FunctionSnapshot, store: SQLiteStore?) async throws {
        if let store {
            let images = ImagePlace(of: function.name, in: registry.endpoint)
            guard try await store.adopt(function, images: images) else {
                throw StartError(
                    "There is a function '\(function.name)' already. Delete it before the import, or import others with --function."
                )
            }
            return
        }
        try await deployer().adopt(function)
    }

    /// The Deployer of a platform that runs.
    func deployer() throws -> DeployerAccess {
        DeployerAccess(
            http: http, address: RoleAddress(address: .unix(path: state.socket("deployer"))),
            token: try state.internalTokenText())
    }

    private static func own(_ address: String, _ http: HTTPClient) -> Registry {
        Registry(RegistryEndpoint(name: address, url: "http://\(address)", keeper: .kiln), client: http)
    }

    /// The address of the running platform's registry; `nil` when none runs.
    private static func runningRegistry(_ state: StateDirectory) -> String? {
        guard !StateLock.isFree(state.lock), let data = FileManager.default.contents(atPath: state.registryAddress)
        else { return nil }
        return String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace).first.map { String($0) }
    }

    private static func wait(for address: String, _ http: HTTPClient) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            let answer = try? await http.collect(ClientRequest(.get, "http://\(address)/v2/"), limit: 1 << 16)
            if answer?.status == 200 { return }
            guard .now < deadline else {
                throw StartError("The registry does not start; see its log in the state directory.")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

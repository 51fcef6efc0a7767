import Contract
import Foundation
import Logging
import Support
import Synchronization
import Testing
import Transfer

@testable import Deployer

/// A backend of an installation of its own, in a state directory of its own.
final class LocalFixture: Sendable {
    let configuration: LocalConfiguration
    let images: TestImages
    let secrets = TestSecrets()
    let client: HTTPClient
    private let backends = Mutex<[LocalBackend]>([])
    private let followers = Mutex<[Task<Void, Never>]>([])
    private let endpointTable = Mutex<[WorkloadID: [Endpoint]]>([:])

    fileprivate init(_ change: (inout LocalConfiguration) -> Void) throws {
        let installation = String(InstanceID.random().prefix(6))
        let state = "/tmp/kiln-\(installation)"
        var configuration = LocalConfiguration(stateDirectory: state, installation: installation)
        configuration.nameServers = []
        configuration.gracePeriod = .seconds(2)
        change(&configuration)
        self.configuration = configuration
        images = TestImages(directory: state + "/images")
        client = try HTTPClient()
    }

    /// A new backend, as a restarted Deployer would make it.
    func backend(
        checkpoint: @escaping @Sendable (InstanceStep) async -> Void = { _ in }
    ) async throws -> LocalBackend {
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let backend = try await LocalBackend(
            configuration: configuration, images: images, secrets: secrets, logger: logger, checkpoint: checkpoint)
        backends.withLock { $0.append(backend) }
        let follower = Task {
            for await case .endpoints(let id, let list) in backend.events { endpointTable.withLock { $0[id] = list } }
        }
        followers.withLock { $0.append(follower) }
        return backend
    }

    /// What the events of all backends so far say.
    func endpoints(_ id: WorkloadID) -> [Endpoint] { endpointTable.withLock { $0[id] ?? [] } }

    /// The socket of the workload's only instance.
    func socket(_ id: WorkloadID) async throws -> String {
        try await eventually { !endpoints(id).isEmpty }
        guard case .unix(let path) = try #require(endpoints(id).first).address else {
            throw FixtureFailure("no socket")
        }
        return path
    }

    /// Calls the workload's first instance.
    func call(_ id: WorkloadID, _ body: String = "", within limit: Duration = .seconds(10)) async throws -> String {
        let request = ClientRequest(
            .post, "http://function/", socket: try await socket(id), body: .text(body),
            timeouts: Timeouts(total: limit))
        return try await client.collect(request).text
    }

    /// What a GET of the socket at `path` answers.
    func get(_ path: String, within limit: Duration = .seconds(10)) async throws -> String {
        let request = ClientRequest(.get, "http://function/", socket: path, timeouts: Timeouts(total: limit))
        return try await client.collect(request).text
    }

    /// Runs `code` inside the workload's first instance; the JSON of what it returns, or `error: …`.
    func inside(_ id: WorkloadID, _ code: String, within limit: Duration = .seconds(10)) async throws -> String {
        let answer = try await call(id, code, within: limit)
        let object = try JSONSerialization.jsonObject(with: Data(answer.utf8)) as? [String: Any]
        if let error = object?["error"] as? String { return "error: \(error)" }
        let value = object?["value"] ?? NSNull()
        if let text = value as? String { return text }
        return String(
            decoding: try JSONSerialization.data(withJSONObject: value, options: [.fragmentsAllowed, .sortedKeys]),
            as: UTF8.self)
    }

    /// A workload that runs `code`.
    func workload(
        _ code: String, name: String = "probe", revision: Int = 1, _ change: (inout FunctionSpec) -> Void = { _ in }
    ) throws -> Workload {
        var spec = FunctionSpec()
        spec.network = .none
        change(&spec)
        let id = RevisionID(function: try FunctionName(name), number: revision)
        return Workload(id: .revision(id), image: try images.add(code), spec: spec)
    }

    /// The directories of instances.
    var instances: [String] { DiskFile.names(in: configuration.instances).filter(InstanceID.isValid) }

    /// What carries the installation's name on this machine, one line each.
    func leftovers() async throws -> [String] {
        let installation = configuration.installation
        func lines(_ program: String, _ arguments: [String]) async throws -> [String] {
            try await Program(program, package: "").run(arguments).output.split(separator: "\n").map(String.init)
        }
        var found = try await lines("ip", ["netns", "list"]).filter { $0.contains(installation) }
        found += try await lines("ip", ["-o", "link"]).filter { $0.contains("kiln\(installation)") }
        found += try await lines("ip", ["-o", "addr"]).filter { $0.contains("kiln\(installation)") }
        found += try await lines("nft", ["list", "tables"]).filter { $0.contains(installation) }
        found += Mounts.points(below: configuration.stateDirectory)
        found += try await lines("find", ["/sys/fs/cgroup", "-type", "d", "-name", "*\(installation)*"])
        found += DiskFile.names(in: "/run").filter { $0.contains(installation) }
        found += DiskFile.names(in: configuration.instances).map { "instances/\($0)" }
        for process in DiskFile.names(in: "/proc") where Int(process) != nil {
            let arguments = DiskFile.text("/proc/\(process)/cmdline") ?? ""
            if arguments.contains(configuration.stateDirectory + "/") {
                found.append("process \(process) \(arguments)")
            }
        }
        return found
    }

    fileprivate func tearDown() async throws {
        for backend in backends.withLock({ $0 }).dropLast() { await backend.close() }
        await backends.withLock { $0 }.last?.removeEverything()
        for follower in followers.withLock({ $0 }) { follower.cancel() }
        let left = try await leftovers()
        #expect(left.isEmpty, "left behind: \(left.joined(separator: "\n"))")
        DiskFile.removeTree(configuration.stateDirectory)
    }
}

/// Secrets in memory.
final class TestSecrets: SecretSource {
    private let values = Mutex<[String: String]>([:])

    func set(_ name: String, _ value: String) { values.withLock { $0[name] = value } }

    func secret(named name: String) async throws -> String? { values.withLock { $0[name] } }
}

/// Runs `body` with a backend; afterwards nothing of it may be left on the machine.
func withLocalFixture(
    _ change: (inout LocalConfiguration) -> Void = { _ in }, _ body: (LocalFixture) async throws -> Void
) async throws {
    let fixture = try LocalFixture(change)
    do {
        try await body(fixture)
    } catch {
        try? await fixture.tearDown()
        throw error
    }
    try await fixture.tearDown()
}

/// Tests that start containers: as root only, and one after the other, because they measure and use up the machine.
@Suite(.serialized, .enabled(if: geteuid() == 0, "starting containers needs root"))
struct LocalContainerTests {}

extension LocalBackend {
    /// The lines of a function's log one by one.
    func lines(of function: FunctionName, _ query: LogQuery) async -> AsyncStream<LogLine> {
        let batches = await logs(of: function, query)
        return AsyncStream { continuation in
            let task = Task {
                for await batch in batches { for line in batch { continuation.yield(line) } }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}

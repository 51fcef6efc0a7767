import Contract
import FoundationEssentials
import Glibc
import Logging
import Transfer

/// Frees the blobs in the embedded registry that no image has. `docker-registry garbage-collect` may only run while nothing is
/// pushed, so the registry is started again read-only for that time, and writable afterwards.
///
/// Whatever dies in between, the next `kiln up` ends what is left of it and starts the registry writable: what was deleted by then
/// nobody referred to.
actor RegistryKeeper {
    private let state: StateDirectory
    private let program: RegistryProgram
    private let supervisor: Supervisor
    private let logger: Logger
    private let client: HTTPClient
    private var collector: ChildProcess?
    private var isCollecting = false
    private var isClosing = false

    init(_ state: StateDirectory, _ program: RegistryProgram, _ supervisor: Supervisor, logger: Logger) throws {
        self.state = state
        self.program = program
        self.supervisor = supervisor
        self.logger = logger
        client = try HTTPClient()
    }

    /// Collects once; throws a ``Problem`` when that failed, with the registry writable again.
    func collect() async throws {
        guard !isCollecting, !isClosing else {
            throw Problem("already-collecting", 409, "Garbage is being collected", "Another collection is under way.")
        }
        isCollecting = true
        defer { isCollecting = false }
        try await restart(.readOnly)
        let outcome: Result<Int32, any Error>
        do { outcome = .success(try await runCollector()) } catch { outcome = .failure(error) }
        if case .success(0) = outcome { RegistryLeftovers(registryData: state.registryData).remove() }
        guard !isClosing else { return }
        try await restart(.writable)
        guard case .success(0) = outcome else {
            throw Problem(
                "collection-failed", 502, "Garbage collection failed",
                "docker-registry's collector did not end well (\(outcome)); \(state.collectorLog) has its words. The registry works on."
            )
        }
    }

    /// Ends a collection that is under way; the registry stays as it is.
    func close() async {
        isClosing = true
        collector?.signal(SIGKILL)
        while isCollecting { try? await Task.sleep(for: .milliseconds(10)) }
    }

    private func runCollector() async throws -> Int32 {
        let child = try ChildProcess(
            program.collector, lifeline: supervisor.lifeline.readEnd, inherited: nil, log: state.collectorLog)
        collector = child
        let record = ProcessRecord(path: state.record("collector"))
        try record.write(child.pid)
        if isClosing { child.signal(SIGKILL) }
        let code = await child.exitCode
        unlink(record.path)
        collector = nil
        return code
    }

    private func restart(_ access: RegistryProgram.Access) async throws {
        try await supervisor.replace(try program.plan(access))
        let deadline = ContinuousClock.now + .seconds(30)
        while !isClosing {
            let answer = try? await client.collect(ClientRequest(.get, "http://\(program.address)/v2/"), limit: 1 << 16)
            if answer?.status == 200 { return }
            guard .now < deadline else {
                throw Problem(
                    "registry-failed", 502, "Registry failed", "The registry does not answer after a restart.")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}

/// What docker-registry leaves behind when images are deleted: links of repositories to blobs that are gone. They cost some
/// 10 KB an image, and a repository without images would be listed for ever.
struct RegistryLeftovers {
    private let root: String

    /// Those below the registry's data directory.
    init(registryData: String) { root = registryData + "/docker/registry/v2" }

    /// Removes them. The registry must be read-only meanwhile.
    func remove() {
        for repository in repositories() {
            let path = "\(root)/repositories/\(repository)"
            removeDangling(in: path + "/_layers/sha256")
            removeDangling(in: path + "/_manifests/revisions/sha256")
            let isEmpty = names(path + "/_manifests/revisions/sha256").isEmpty && names(path + "/_uploads").isEmpty
            if isEmpty { try? FileManager.default.removeItem(atPath: path) }
        }
    }

    private func removeDangling(in directory: String) {
        for hex in names(directory) {
            let isLinked = access("\(directory)/\(hex)/link", F_OK) == 0
            let isThere = access("\(root)/blobs/sha256/\(hex.prefix(2))/\(hex)/data", F_OK) == 0
            if !isLinked || !isThere { try? FileManager.default.removeItem(atPath: "\(directory)/\(hex)") }
        }
    }

    /// `kiln/NAME` for each; Kiln has no others.
    private func repositories() -> [String] { names(root + "/repositories/kiln").map { "kiln/\($0)" } }

    private func names(_ path: String) -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
    }
}

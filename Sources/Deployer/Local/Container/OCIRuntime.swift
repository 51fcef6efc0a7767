import FoundationEssentials
import Glibc

/// The machine's OCI runtime, by its command line (runtime-spec, runtime.md; the options are those that runc and crun share).
struct OCIRuntime: Sendable {
    /// What the runtime knows of a container.
    struct State: Decodable, Sendable, Hashable {
        var status: String
        var pid: pid_t?
    }

    let program: Program
    /// Where the runtime keeps its state: of this installation alone, in memory like the containers themselves.
    let root: String
    let installation: String

    /// The runtime `program` for `installation`.
    init(program: Program, installation: String) {
        self.program = program
        self.installation = installation
        root = Self.directory(installation) + "/runtime"
    }

    /// What an installation keeps in memory.
    static func directory(_ installation: String) -> String { "/run/kiln-\(installation)" }

    /// The container's name in the runtime.
    func name(of instance: String) -> String { "kiln-\(installation)-\(instance)" }

    /// Lets the created container's process go.
    func start(_ instance: String) async throws(DeployerError) {
        try await program.check("start instance \(instance)", arguments("start", instance))
    }

    /// The state of a container; `nil` when there is none.
    func state(of instance: String) async -> State? {
        guard let result = try? await program.run(arguments("state", instance)), result.succeeded else { return nil }
        return try? JSONDecoder().decode(State.self, from: Data(result.output.utf8))
    }

    /// Removes a container and its control groups. One that has ended is removed in a few milliseconds; what still runs is killed,
    /// for which runc takes 100 ms.
    func remove(_ instance: String) async {
        guard let result = try? await program.run(arguments("delete", instance)), !result.succeeded else { return }
        if !DiskFile.exists("\(root)/\(name(of: instance))") { return }
        _ = try? await program.run(["--root", root, "delete", "--force", name(of: instance)])
        // A runtime that was killed half way through `create` leaves a directory it does not understand itself.
        DiskFile.removeTree("\(root)/\(name(of: instance))")
    }

    /// The instances that the runtime has a container of.
    func instances() -> [String] {
        let prefix = "kiln-\(installation)-"
        return DiskFile.names(in: root).filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
    }

    private func arguments(_ command: String, _ instance: String) -> [String] {
        ["--root", root, command, name(of: instance)]
    }
}

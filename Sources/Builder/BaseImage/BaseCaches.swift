import FoundationEssentials
import Glibc
import OCI

/// What Deno compiles of its own code at every start, made once and put into the base image (`base-image/warm.js`).
///
/// It runs on the machine that bakes the base, where it runs nothing but Deno's code and Kiln's. The same Deno makes the
/// same bytes.
package struct BaseCaches: Sendable {
    /// How long it may take.
    private static let patience = Duration.seconds(60)
    private static let scripts: [(String, [UInt8])] = [
        ("bootstrap.js", PackageResources.bootstrap_js), ("caches.js", PackageResources.caches_js),
        ("node.js", PackageResources.node_js), ("warm.js", PackageResources.warm_js),
    ]

    private let deno: String

    /// Caches of the Deno program `deno`.
    package init(deno: String) { self.deno = deno }

    /// The entries of the layer, and which Deno made them. Throws `recipe` when this Deno cannot make them.
    @concurrent
    package func make() async throws -> (entries: [LayerEntry], version: String) {
        let directory = "/tmp/kiln-warm-\(UInt64.random(in: 0 ... .max))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try FileManager.default.createDirectory(
            atPath: directory + "/kiln", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        for (name, bytes) in Self.scripts { try Data(bytes).write(to: URL(filePath: "\(directory)/kiln/\(name)")) }
        try await run(directory)
        var entries: [LayerEntry] = [.directory("deno")]
        // What functions store by localStorage and caches; everything else in Deno's directory is read-only.
        entries.append(.symlink("deno/location_data", to: "/tmp"))
        for name in DenoCaches.databases {
            guard let data = FileManager.default.contents(atPath: "\(directory)/caches/\(name)") else {
                throw BuilderError(
                    .recipe, "Deno did not make its cache \(name): is this Deno \(BaseRecipe.denoVersion)?")
            }
            entries.append(.file("deno/\(name)", Array(data)))
            entries += DenoCaches.companions.map { .file("deno/\(name)\($0)", []) }
        }
        let version = FileManager.default.contents(atPath: "\(directory)/version")
        return (entries, version.map { String(decoding: $0, as: UTF8.self) } ?? BaseRecipe.denoVersion)
    }

    private func run(_ directory: String) async throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 2, directory + "/log", O_WRONLY | O_CREAT, 0o600)
        // This process has signals blocked that end the child's functions.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var all = sigset_t()
        sigfillset(&all)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let arguments = [
            deno, "run", "--quiet", "--no-prompt", "--no-config", "--no-lock", "-A", directory + "/kiln/warm.js",
            directory,
        ]
        var process: pid_t = 0
        let environment = ["DENO_DIR=\(directory)/own", "DENO_NO_UPDATE_CHECK=1", "NO_COLOR=1", "PATH=/usr/bin:/bin"]
        let status = withStrings(arguments) { arguments in
            withStrings(environment) { posix_spawn(&process, deno, &actions, &attributes, arguments, $0) }
        }
        guard status == 0 else {
            throw BuilderError(.recipe, "\(deno) cannot be run: \(String(cString: strerror(status))).")
        }
        let deadline = ContinuousClock.now.advanced(by: Self.patience)
        var outcome: Int32 = 0
        while waitpid(process, &outcome, WNOHANG) == 0 {
            if Task.isCancelled || ContinuousClock.now > deadline { kill(process, SIGKILL) }
            try? await Task.sleep(for: .milliseconds(10))
        }
        guard outcome == 0 else {
            let log = FileManager.default.contents(atPath: directory + "/log").map {
                String(decoding: $0, as: UTF8.self)
            }
            throw BuilderError(.recipe, "\(deno) could not make its caches: \((log ?? "").prefix(1000))")
        }
    }
}

/// Gives `body` the texts as an array of C strings with a null pointer at its end.
private func withStrings<Result>(
    _ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result
) -> Result {
    var pointers = texts.map { strdup($0) }
    defer { for pointer in pointers { free(pointer) } }
    pointers.append(nil)
    return body(pointers)
}

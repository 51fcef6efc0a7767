import FoundationEssentials
import Glibc

/// Creates containers under conmon, which owns a container's standard output, log and exit code, and outlives the Deployer.
///
/// The root file system is mounted in a mount namespace that only conmon and the container are in, so that it vanishes with them. Mounts of
/// the host still propagate into it when they are taken away, and so does not hold them.
struct Monitor: Sendable {
    let conmon: Program
    let unshare: Program
    let shell: Program
    let mount: Program
    let runtime: OCIRuntime
    let watch: DirectoryWatch

    /// Finds the programs.
    init(runtime: OCIRuntime, watch: DirectoryWatch) throws(DeployerError) {
        conmon = try Program("conmon", package: "conmon")
        unshare = try Program("unshare", package: "util-linux")
        mount = try Program("mount", package: "mount")
        shell = try Program("sh", package: "dash")
        self.runtime = runtime
        self.watch = watch
    }

    /// $1 mount, $2 lower layers, $3 target, $4 files of control groups, $5 file for conmon's answer, then conmon with its arguments.
    private static let script = """
        for group in $4; do echo $$ 2>/dev/null > "$group"; done
        "$1" -t overlay -o "ro,nosuid,nodev,lowerdir=$2" kiln "$3" || exit 1
        # conmon leaves a file in its directory when the container ran out of memory.
        cd "${5%/*}" || exit 1
        exec 3>"$5" >/dev/null 2>&1
        shift 5
        exec "$@"
        """

    /// The longest that the runtime may take to create a container.
    private static let deadline = Duration.seconds(30)

    /// What conmon answers when the runtime has created the container, or not.
    private struct Answer: Decodable {
        var pid: pid_t
        var message: String?
    }

    /// Creates the container of the bundle in `paths`: its first process waits for ``OCIRuntime/start(_:)``. Returns that process.
    func create(
        _ instance: String, paths: InstancePaths, layers: [String], logBytes: Int64, groups: [String]
    ) async throws(DeployerError) -> ProcessHandle {
        let lower = layers.reversed().joined(separator: ":")
        guard lower.utf8.count < 3900 else {
            throw DeployerError(
                .runtime, "The image has \(layers.count) layers, too many for one mount (4096 bytes of options).")
        }
        let changes = try watch.changes(in: paths.directory)
        try await unshare.check(
            "mount the root file system of instance \(instance)",
            ["--mount", "--propagation", "slave", shell.path, "-c", Self.script, "kiln", mount.path, lower, paths.root]
                + [groups.joined(separator: " "), paths.answer, conmon.path]
                + monitorArguments(instance, paths: paths, logBytes: logBytes), environment: ["_OCI_SYNCPIPE": "3"])
        let line = await Self.answer(in: paths.answer, changes)
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(line.utf8)) else {
            throw DeployerError(.runtime, "Cannot create instance \(instance): conmon answered '\(line.prefix(500))'.")
        }
        guard answer.pid > 0, let process = ProcessHandle(pid: answer.pid) else {
            throw DeployerError(
                .runtime, "Cannot create instance \(instance): \(Self.sentence(of: answer.message ?? "no process"))")
        }
        return process
    }

    /// The running monitor of an instance, found by its file; `nil` when it is gone.
    static func running(_ paths: InstancePaths, instance: String) -> ProcessHandle? {
        guard let text = DiskFile.text(paths.monitorID), let number = pid_t(text.filter { !$0.isWhitespace }),
            let process = ProcessHandle(pid: number),
            // Read after the handle was made, so that it is of the same process.
            DiskFile.text("/proc/\(number)/cmdline")?.contains(instance) == true, !process.hasExited
        else { return nil }
        return process
    }

    private func monitorArguments(_ instance: String, paths: InstancePaths, logBytes: Int64) -> [String] {
        let name = runtime.name(of: instance)
        return [
            "--cid", name, "--cuuid", name, "--name", instance, "--runtime", runtime.program.path, "--runtime-arg",
            "--root",
            "--runtime-arg", runtime.root, "--bundle", paths.bundle, "--persist-dir", paths.directory, "--full-attach",
            "--container-pidfile", paths.processID, "--conmon-pidfile", paths.monitorID, "--log-path",
            "k8s-file:\(paths.log)",
            "--log-size-max", String(logBytes), "--no-sync-log",
        ]
    }

    /// What conmon, which has gone into the background, writes into its file, when it is a whole line.
    private static func answer(in path: String, _ changes: AsyncStream<Void>) async -> String {
        let answer = try? await Deadline.run(deadline) {
            for await _ in changes {
                if let text = DiskFile.text(path), text.hasSuffix("\n") { return text }
            }
            return ""
        }
        return answer ?? DiskFile.text(path) ?? ""
    }

    /// runc logs its last words as `time="…" level=error msg="…"`.
    static func sentence(of message: String) -> String {
        guard let mark = message.ranges(of: "msg=\"").last, let end = message.lastIndex(where: { $0 == "\"" }),
            mark.upperBound <= end
        else { return Program.oneLine(message) }
        return String(message[mark.upperBound..<end]).replacing("\\\"", with: "\"")
    }
}

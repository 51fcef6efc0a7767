import FoundationEssentials
import Glibc
import Subprocess
import SystemPackage

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

    /// Finds the programs.
    init(runtime: OCIRuntime) throws(DeployerError) {
        conmon = try Program("conmon", package: "conmon")
        unshare = try Program("unshare", package: "util-linux")
        mount = try Program("mount", package: "mount")
        shell = try Program("sh", package: "dash")
        self.runtime = runtime
    }

    /// $1 mount, $2 lower layers, $3 target, $4 files of control groups, then conmon with its arguments. The script's output is
    /// conmon's answer, on descriptor 3 because conmon closes its own standard output.
    private static let script = """
        for group in $4; do echo $$ 2>/dev/null > "$group"; done
        "$1" -t overlay -o "ro,nosuid,nodev,lowerdir=$2" kiln "$3" || exit 1
        shift 4
        exec "$@" 3>&1 >/dev/null 2>&1
        """

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
            throw DeployerError(.runtime, "The image has \(layers.count) layers, too many for one mount (4096 bytes of options).")
        }
        let arguments =
            ["--mount", "--propagation", "slave", shell.path, "-c", Self.script, "kiln", mount.path, lower, paths.root]
            + [groups.joined(separator: " "), conmon.path]
            + monitorArguments(instance, paths: paths, logBytes: logBytes)
        let line = try await firstLine(arguments)
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
            "--cid", name, "--cuuid", name, "--name", instance, "--runtime", runtime.program.path, "--runtime-arg", "--root",
            "--runtime-arg", runtime.root, "--bundle", paths.bundle, "--persist-dir", paths.directory, "--full-attach",
            "--container-pidfile", paths.processID, "--conmon-pidfile", paths.monitorID, "--log-path", "k8s-file:\(paths.log)",
            "--log-size-max", String(logBytes), "--no-sync-log",
        ]
    }

    /// Runs the script until its first line of output: conmon keeps the pipe open as long as the container runs.
    private func firstLine(_ arguments: [String]) async throws(DeployerError) -> String {
        do {
            return try await Task {
                try await Subprocess.run(
                    .path(FilePath(unshare.path)), arguments: Arguments(arguments),
                    environment: .custom(["LC_ALL": "C", "_OCI_SYNCPIPE": "3"]),
                    input: .none, output: .sequence, error: .combinedWithOutput
                ) { execution in
                    var bytes: [UInt8] = []
                    for try await chunk in execution.standardOutput {
                        bytes += chunk.withUnsafeBytes { Array($0) }
                        if bytes.contains(UInt8(ascii: "\n")) || bytes.count > 64 << 10 { break }
                    }
                    return String(decoding: bytes, as: UTF8.self)
                }.closureResult
            }.value
        } catch {
            throw DeployerError(.runtime, "Cannot run \(unshare.path).", error)
        }
    }

    /// runc logs its last words as `time="…" level=error msg="…"`.
    static func sentence(of message: String) -> String {
        guard let start = message.lastIndex(of: "msg=\""), let end = message.lastIndex(of: "\""), start < end else {
            return Program.oneLine(message)
        }
        return String(message[start..<end]).replacing("\\\"", with: "\"")
    }
}

extension String {
    /// Where the text after the last occurrence of `text` starts.
    fileprivate func lastIndex(of text: String) -> String.Index? {
        ranges(of: text).last?.upperBound
    }
}

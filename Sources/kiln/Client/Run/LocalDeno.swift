import Builder
import Client
import FoundationEssentials
import Glibc
import OCI
import Subprocess
import SystemPackage

/// A Deno of this machine that runs what containers run, with the same scripts, flags and environment: the container's paths become
/// paths in a directory of its own.
struct LocalDeno: Sendable {
    /// The program.
    let program: String
    /// The directory that stands for the container's root.
    let directory: String

    /// Prepares a directory for `program`; throws when it cannot be made. ``remove()`` takes it away.
    init(program: String) throws(ClientError) {
        self.program = program
        var template = Array("/tmp/kiln-run-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw ClientError(.failed, "No directory can be made in /tmp: \(String(cString: strerror(errno))).")
        }
        directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        // Held as long as this process lives, however it ends.
        let lock = open(directory + "/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if lock >= 0 { flock(lock, LOCK_EX | LOCK_NB) }
        do {
            for name in ["app", "kiln", "run", "tmp"] {
                try FileManager.default.createDirectory(
                    atPath: directory + "/" + name, withIntermediateDirectories: false)
            }
            for script in BaseRecipe.scripts {
                guard case .file(.bytes(let bytes)) = script.kind else { continue }
                try Data(bytes).write(to: URL(filePath: directory + "/" + script.path))
            }
        } catch {
            throw ClientError(.failed, "\(directory) cannot be written: \(error)")
        }
    }

    /// Removes what earlier runs of this user left in /tmp because they were killed, and ends the processes that they left.
    static func removeLeftovers() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/tmp")) ?? []
        for name in names where name.hasPrefix("kiln-run-") && name.utf8.count == 15 {
            let path = "/tmp/" + name
            var status = stat()
            guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR, status.st_uid == geteuid() else {
                continue
            }
            let lock = open(path + "/lock", O_RDWR | O_CLOEXEC | O_NOFOLLOW)
            guard lock >= 0 else {
                // Made a moment ago, perhaps, and not locked yet.
                if time(nil) - status.st_mtim.tv_sec > 60 { try? FileManager.default.removeItem(atPath: path) }
                continue
            }
            if flock(lock, LOCK_EX | LOCK_NB) == 0 {
                endProcesses(below: path)
                try? FileManager.default.removeItem(atPath: path)
            }
            close(lock)
        }
    }

    /// Kills the processes whose working directory is in `directory`; the kernel lets this user do that to its own alone.
    private static func endProcesses(below directory: String) {
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        for process in entries.compactMap({ pid_t($0) }) {
            var target = [CChar](repeating: 0, count: Int(PATH_MAX))
            let length = readlink("/proc/\(process)/cwd", &target, target.count)
            guard length > 0 else { continue }
            let path = String(decoding: target[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if path.hasPrefix(directory + "/") { kill(process, SIGKILL) }
        }
    }

    /// Removes the directory with everything in it.
    func remove() { try? FileManager.default.removeItem(atPath: directory) }

    /// The program: `named`, or else the one installed with Kiln, the `deno` of `PATH`, or the one that `make up` fetched into this checkout.
    static func find(_ named: String?) throws(ClientError) -> String {
        if let named {
            guard access(named, X_OK) == 0 else {
                throw ClientError(.notFound, "There is no deno program at \(named).")
            }
            return absolute(named)
        }
        let directories = (Setting.variable("PATH") ?? "").split(separator: ":").map(String.init)
        let candidates =
            [InstalledDeno.path].compactMap(\.self) + directories.map { $0 + "/deno" } + [
                ".tools/deno/\(BaseRecipe.denoVersion)/deno"
            ]
        guard let found = candidates.first(where: { access($0, X_OK) == 0 }) else {
            throw ClientError(
                .notFound,
                "Deno runs functions here, and there is none in PATH. Install Deno \(BaseRecipe.denoVersion), or name the program "
                    + "with --deno PATH or KILN_DENO.")
        }
        return absolute(found)
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }

    /// The cache of this user's Deno, where modules from elsewhere are kept between runs.
    var modules: String {
        if let directory = Setting.variable("DENO_DIR") { return Self.absolute(directory) }
        let caches = Setting.variable("XDG_CACHE_HOME") ?? Setting.variable("HOME").map { $0 + "/.cache" }
        return caches.map { $0 + "/deno" } ?? directory + "/tmp/.deno"
    }

    /// What tells Deno where modules come from, of this user's environment.
    var sources: [String: String] {
        let names = [
            "NPM_CONFIG_REGISTRY", "JSR_URL", "DENO_CERT", "DENO_TLS_CA_STORE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
        ]
        return Dictionary(uniqueKeysWithValues: names.compactMap { name in Setting.variable(name).map { (name, $0) } })
    }

    /// The path here of the container's `path`.
    func path(_ path: String) -> String {
        let places = [
            ("/usr/bin/deno", program), ("/run/kiln", directory + "/run"), ("/kiln", directory + "/kiln"),
            ("/app", directory + "/app"), ("/tmp", directory + "/tmp"), ("/deno", modules),
        ]
        for (place, here) in places where path == place || path.hasPrefix(place + "/") {
            return here + path.dropFirst(place.count)
        }
        return path
    }

    /// The container's arguments with every path in them made one of here: `--flag=/a,/b`, `/a`.
    func localized(_ arguments: [String]) -> [String] {
        arguments.map { argument in
            let equals = argument.hasPrefix("--") ? argument.firstIndex(of: "=").map { argument.index(after: $0) } : nil
            let value = argument[(equals ?? argument.startIndex)...]
            let paths = value.split(separator: ",", omittingEmptySubsequences: false).map { path(String($0)) }
            return argument[..<(equals ?? argument.startIndex)] + paths.joined(separator: ",")
        }
    }

    /// Runs the container's command line `arguments` in its `workingDirectory`, serving at `address` (as `DENO_SERVE_ADDRESS` takes it), until it ends or the task
    /// is cancelled: SIGTERM then, and SIGKILL after five seconds. With `fetches` it has this user's cache of modules and may add to it.
    /// Returns how it ended, in words.
    func run(
        _ arguments: [String], address: String, variables: [String: String], isColored: Bool,
        workingDirectory: String = "/app", fetches: Bool = false, output: FileDescriptor = .standardOutput
    ) async throws(ClientError) -> String {
        let local = localized(arguments)
        var environment = variables
        environment["DENO_DIR"] = fetches ? modules : directory + "/tmp/.deno"
        if fetches { environment.merge(sources) { own, _ in own } }
        environment["DENO_NO_UPDATE_CHECK"] = "1"
        environment["DENO_SERVE_ADDRESS"] = address
        environment["TMPDIR"] = directory + "/tmp"
        if !isColored { environment["NO_COLOR"] = "1" }
        var options = Subprocess.PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(5))]
        do {
            let result = try await Subprocess.run(
                .path(FilePath(program)), arguments: Arguments(Array(local.dropFirst())),
                environment: .custom(
                    Dictionary(
                        uniqueKeysWithValues: environment.map { (Environment.Key(stringLiteral: $0.key), $0.value) })),
                workingDirectory: FilePath(path(workingDirectory)), platformOptions: options, input: .none,
                output: .fileDescriptor(output, closeAfterSpawningProcess: false),
                error: .fileDescriptor(.standardError, closeAfterSpawningProcess: false))
            return "\(result.terminationStatus)"
        } catch {
            throw ClientError(.failed, "\(program) cannot be started: \(error)")
        }
    }
}

import Builder
import Contract
import FoundationEssentials
import Glibc
import Subprocess
import Support
import Synchronization
import Transfer

/// Where things are in the clone.
enum Clone {
    /// The clone's root.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().path

    /// The pinned Deno: `KILN_DENO`, or where `scripts/fetch-deno.sh` puts it.
    static let deno = ProcessEnvironment["KILN_DENO"] ?? "\(root)/.tools/deno/\(BaseRecipe.denoVersion)/deno"

    /// The source of an example.
    static func example(_ name: String) throws -> [UInt8] {
        try Array(Data(contentsOf: URL(filePath: "\(root)/examples/\(name).ts")))
    }
}

/// The test's own environment.
enum ProcessEnvironment {
    static subscript(name: String) -> String? { getenv(name).map { String(cString: $0) } }
}

/// Runs `body` with a new directory, which is removed afterwards.
func withRoot<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (String) async throws -> Result
) async throws -> Result {
    let path = "/var/tmp/kiln-builder-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try await body(path)
}

/// A Deno process that serves on a unix socket.
final class DenoServer: Sendable {
    /// The directory that stands for the container's root.
    let root: String
    /// The process.
    let processIdentifier: Int32
    /// A client for it.
    let client: HTTPClient
    private let isEnding = Mutex(false)

    init(root: String, processIdentifier: Int32) throws {
        self.root = root
        self.processIdentifier = processIdentifier
        client = try HTTPClient()
    }

    /// Where it serves.
    var socket: String { root + "/run/http.sock" }

    /// The checker's or instance's address.
    var endpoint: Endpoint { Endpoint(id: "test", address: .unix(path: socket)) }

    /// Sends a request and waits for the whole answer.
    func call(
        _ target: String, method: Transfer.Method = .get, headers: HeaderFields = [:], body: RequestBody = .none
    ) async throws -> CollectedResponse {
        try await client.collect(
            ClientRequest(method, "http://function\(target)", socket: socket, headers: headers, body: body))
    }

    /// Everything that the process has printed so far.
    var log: String { (try? String(contentsOfFile: root + "/log", encoding: .utf8)) ?? "" }

    /// Asks it to end, once: outside a container a second SIGTERM could meet a process that no longer listens for it.
    func terminate() {
        let isFirst = isEnding.withLock { ending in
            defer { ending = true }
            return !ending
        }
        if isFirst { kill(processIdentifier, SIGTERM) }
    }

    /// Waits until it accepts connections; `false` when it has ended instead.
    func becomesReady() async -> Bool {
        for _ in 0..<4000 where !hasEnded {
            if (try? RawConnection(socket)) != nil { return true }
            try? await Task.sleep(for: .milliseconds(5))
        }
        return false
    }

    /// Ends it: asked first, forced after ten seconds.
    func end() async {
        terminate()
        for _ in 0..<2000 where !hasEnded { try? await Task.sleep(for: .milliseconds(5)) }
        if !hasEnded { kill(processIdentifier, SIGKILL) }
    }

    private var hasEnded: Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(processIdentifier)/stat", encoding: .utf8) else {
            return true
        }
        return status.contains(") Z ")
    }
}

/// How a Deno process ended, and what it printed.
struct DenoOutcome: Sendable {
    let exitCode: Int32?
    let log: String
}

/// Runs Deno with `arguments` as in a container whose root is `root`, until it serves and `body` has returned.
///
/// Arguments and environment are those of the image, with the paths of the container moved below `root`. `body` gets
/// `nil` when the process ended before it served.
func withDeno(
    root: String, arguments: [String], environment: [String: String] = [:],
    _ body: @Sendable (DenoServer?) async throws -> Void
) async throws -> DenoOutcome {
    let moved = arguments.dropFirst().map { Paths.moved($0, below: root) }
    for name in ["app", "run", "tmp"] {
        try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
    }
    let scripts = "\(root)/kiln"
    if !FileManager.default.fileExists(atPath: scripts) {
        try FileManager.default.copyItem(atPath: Clone.root + "/base-image", toPath: scripts)
    }
    var values: [Environment.Key: String] = [
        "DENO_DIR": root + "/tmp/.deno", "DENO_SERVE_ADDRESS": "unix:\(root)/run/http.sock", "NO_COLOR": "1",
        "PATH": "/usr/bin:/bin", "TMPDIR": root + "/tmp",
    ]
    for (name, value) in environment { values[Environment.Key(stringLiteral: name)] = value }
    let outcome = try await run(
        .name("sh"), arguments: Arguments(["-c", #"exec "$@" >"$0" 2>&1"#, root + "/log", Clone.deno] + moved),
        environment: .custom(values), input: .none, output: .discarded, error: .discarded
    ) { execution in
        let server = try DenoServer(root: root, processIdentifier: execution.processIdentifier.value)
        let isReady = await server.becomesReady()
        do {
            try await body(isReady ? server : nil)
        } catch {
            await server.end()
            throw error
        }
        await server.end()
    }
    let log = (try? String(contentsOfFile: root + "/log", encoding: .utf8)) ?? ""
    if case .exited(let code) = outcome.terminationStatus { return DenoOutcome(exitCode: code, log: log) }
    return DenoOutcome(exitCode: nil, log: log)
}

/// The paths of a container, moved below a directory that stands for its root.
enum Paths {
    /// A flag with a list of paths, or a path; anything else as it is.
    static func moved(_ argument: String, below root: String) -> String {
        guard argument.hasPrefix("--") else { return path(argument, root) }
        let halves = argument.split(separator: "=", maxSplits: 1)
        guard halves.count == 2 else { return argument }
        return "\(halves[0])=" + halves[1].split(separator: ",").map { path(String($0), root) }.joined(separator: ",")
    }

    private static func path(_ path: String, _ root: String) -> String {
        switch path {
        case "/usr/bin/deno": Clone.deno
        case "/run/kiln": root + "/run"
        case "/tmp": "/tmp,\(root)/tmp"
        default: ["/app", "/deno", "/kiln"].contains { path.hasPrefix($0) } ? root + path : path
        }
    }
}

/// Runs the JavaScript `code` as a function of `form`.
func withFunction(
    _ code: String, _ form: HandlerForm = .request, environment: [String: String] = [:],
    _ body: @Sendable (DenoServer?) async throws -> Void
) async throws -> DenoOutcome {
    try await withRoot { root in
        try FileManager.default.createDirectory(atPath: root + "/app", withIntermediateDirectories: true)
        try Data(code.utf8).write(to: URL(filePath: root + "/app/main.js"))
        return try await withDeno(
            root: root, arguments: Sandbox.function + form.command(), environment: environment, body)
    }
}

/// Runs the checker.
func withChecker(_ body: @Sendable (DenoServer) async throws -> Void) async throws {
    try await withRoot { root in
        let outcome = try await withDeno(root: root, arguments: Sandbox.checker) { server in
            guard let server else { throw FixtureFailure("The checker did not start.") }
            try await body(server)
        }
        if outcome.exitCode != 0 {
            throw FixtureFailure("The checker ended with \(String(describing: outcome.exitCode)): \(outcome.log)")
        }
    }
}

/// Whether `condition` holds within ten seconds.
func eventually(isolation: isolated (any Actor)? = #isolation, _ condition: () -> Bool) async -> Bool {
    for _ in 0..<2000 {
        if condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return condition()
}

/// Lines that several tasks may add to.
final class Log: Sendable {
    private let content = Mutex<[String]>([])

    /// All lines so far.
    var lines: [String] { content.withLock { $0 } }

    /// Adds a line.
    func add(_ line: String) { content.withLock { $0.append(line) } }
}

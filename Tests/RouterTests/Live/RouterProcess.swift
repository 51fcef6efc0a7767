import Contract
import Foundation
import Support
import Synchronization
import Testing

/// `kiln router` of this build in a process of its own, so that what it takes of memory, files and processor time is no test's.
final class RouterProcess: Sendable {
    let port: Int
    /// A directory of the test's own.
    let directory: String
    let processIdentifier: Int32
    private let routes: RouteSource

    fileprivate init(_ port: Int, _ directory: String, _ processIdentifier: Int32, _ routes: RouteSource) {
        self.port = port
        self.directory = directory
        self.processIdentifier = processIdentifier
        self.routes = routes
    }

    /// The `kiln` of this build, beside the test program.
    fileprivate static var program: String {
        URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path + "/kiln"
    }

    /// A path for a socket.
    func path(_ name: String) -> String { "\(directory)/\(name).sock" }

    /// Routes `functions` to `upstream`, and others to nothing, as those are that nobody has called for long; waits until the Router does.
    func route(_ functions: [String], to upstream: TestUpstream, parked: [String] = []) async throws {
        var table: [FunctionName: Route] = [:]
        for (names, isLive) in [(functions, true), (parked, false)] {
            for name in names {
                let endpoint = Endpoint(id: name + "-1", address: upstream.endpoint.address)
                table[try FunctionName(name)] = Route(targets: [
                    RouteTarget(
                        revision: 1, weight: 100, timeoutMilliseconds: 30_000, concurrency: 100_000,
                        endpoints: isLive ? [endpoint] : [])
                ])
            }
        }
        let number = try routes.publish(table)
        try await eventually("the table is in use", seconds: 60) { routes.reported >= number }
    }

    /// Bytes of memory that are resident.
    var resident: Int { MemoryWatch.resident("\(processIdentifier)") }

    /// Files and connections that are open.
    var openFiles: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(processIdentifier)/fd").count) ?? 0
    }

    /// Seconds of processor time so far, in ticks of a hundredth.
    var processorSeconds: Double {
        let text = (try? String(contentsOfFile: "/proc/\(processIdentifier)/stat", encoding: .utf8)) ?? ""
        // The name, which may hold anything, ends with the last bracket.
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}

/// Runs `body` with a `kiln router` that has `arguments`, and ends it whatever happens.
func withRouterProcess(
    _ arguments: String..., body: @Sendable (RouterProcess) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let state = directory + "/state"
        try FileManager.default.createDirectory(
            atPath: state + "/run", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        let routes = RouteSource()
        let deployer = try TestUpstream("deployer", path: state + "/run/deployer.sock") { socket, _ in
            try routes.serve(socket)
        }
        defer { deployer.stop() }
        let port = try freePort()
        try await withChild(
            "env",
            [
                RouterProcess.program, "router", "--state-dir", state, "--listen", "127.0.0.1:\(port)", "--threads",
                "2",
            ] + arguments
        ) { processIdentifier in
            // Nobody waits for the end of what it has.
            defer { kill(processIdentifier, SIGKILL) }
            try await eventually("it listens", seconds: 20) { (try? RawSocket.connect(port)) != nil }
            try await body(RouterProcess(port, directory, processIdentifier, routes))
        }
    }
}

/// The Deployer as a Router sees it: a stream of route tables, and somebody to report to.
private final class RouteSource: Sendable {
    private struct State {
        var number = 0
        var line: [UInt8] = []
        var reported = 0
    }

    private let state = Mutex(State())

    /// The last table that the Router has said to route by.
    var reported: Int { state.withLock { $0.reported } }

    /// Gives the Router a table; returns its number.
    func publish(_ table: [FunctionName: Route]) throws -> Int {
        let number = state.withLock { $0.number } + 1
        let message = RouteMessage.snapshot(version: TableVersion(epoch: "test", number: number), routes: table)
        let line = try Array(JSONEncoder().encode(message)) + [10]
        state.withLock {
            $0.number = number
            $0.line = line
        }
        return number
    }

    /// Answers the calls on a connection.
    func serve(_ socket: RawSocket) throws {
        while let request = try? socket.receiveRequest(seconds: 3_600) {
            guard request.target.hasPrefix("/internal/routes") else {
                if let status = try? JSONDecoder().decode(RouterStatus.self, from: Data(request.body)) {
                    state.withLock { $0.reported = status.version.number }
                }
                try socket.send("HTTP/1.1 204 No Content\r\n\r\n")
                continue
            }
            try socket.send("HTTP/1.1 200 OK\r\n\r\n")
            var sent = 0
            for turn in 0... {
                let (number, line) = state.withLock { ($0.number, $0.line) }
                if number > sent { try socket.send(line) }
                sent = number
                if turn % 200 == 0 { try socket.send("{\"heartbeat\":{}}\n") }
                usleep(10_000)
            }
        }
    }
}

/// A client that behaves: it calls again and again, in turns on a connection that it keeps and on new ones.
final class SteadyClient: Sendable {
    private struct State {
        var stopping = false
        var isRunning = true
        var answered = 0
        var slowest = 0.0
        var failures: [String] = []
    }

    private let state = Mutex(State())

    /// Starts to call `target` at `port`.
    init(_ port: Int, _ target: String) {
        Thread { [self] in
            do { try run(port, target) } catch { state.withLock { $0.failures.append("\(error)") } }
            state.withLock { $0.isRunning = false }
        }.start()
    }

    /// Ends the calls; tells how many were answered, how many seconds the slowest took, and what went wrong.
    func stop() async -> (answered: Int, slowest: Double, failures: [String]) {
        state.withLock { $0.stopping = true }
        while state.withLock({ $0.isRunning }) { try? await Task.sleep(for: .milliseconds(5)) }
        return state.withLock { ($0.answered, $0.slowest, $0.failures) }
    }

    private func run(_ port: Int, _ target: String) throws {
        let kept = try RawSocket.connect(port)
        while !state.withLock({ $0.stopping }) {
            for isNew in [false, true] {
                let start = Date()
                let socket = isNew ? try RawSocket.connect(port) : kept
                try socket.send("GET \(target) HTTP/1.1\r\nHost: h\r\n\r\n")
                let answer = try socket.receiveResponse(seconds: 30)
                let seconds = Date().timeIntervalSince(start)
                state.withLock {
                    $0.answered += 1
                    $0.slowest = max($0.slowest, seconds)
                    if answer.status != 200 { $0.failures.append("\(answer.status) \(answer.text)") }
                }
            }
            usleep(5_000)
        }
    }
}

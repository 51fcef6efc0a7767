import Contract
import Foundation
import Support
import Testing
import Transfer

/// A `kiln up` of this build on a state directory of its own, as a user would run it.
final class Platform: Sendable {
    /// The state directory.
    let state: String
    /// The front door, `http://127.0.0.1:PORT`.
    let url: String
    /// The registry, `127.0.0.1:PORT`.
    let registry: String
    let client: HTTPClient
    private let process: Process
    private let port: Int

    /// Starts the platform in `state`; throws with what it printed when it does not come up.
    init(state: String, port: Int, registryPort: Int, arguments: [String] = []) async throws {
        self.state = state
        self.port = port
        url = "http://127.0.0.1:\(port)"
        registry = "127.0.0.1:\(registryPort)"
        client = try HTTPClient()
        process = Process()
        process.executableURL = URL(filePath: Self.program)
        process.arguments =
            [
                "up", "--state-dir", state, "--listen", "127.0.0.1:\(port)", "--registry-listen", registry, "--deno",
                Self.deno,
            ] + arguments
        let log = try Self.openLog(state)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = log
        process.standardError = log
        try process.run()
        let deadline = ContinuousClock.now.advanced(by: .seconds(40))
        while !FileManager.default.fileExists(atPath: state + "/run/address") {
            guard process.isRunning, ContinuousClock.now < deadline else {
                process.terminate()
                throw PlatformFailure("kiln up did not come up:\n\(Self.log(state).suffix(4000))")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// The `kiln` of this build, beside the test program.
    static var program: String {
        URL(filePath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path + "/kiln"
    }

    /// The Deno that the base image gets.
    static var deno: String { ProcessInfo.processInfo.environment["KILN_DENO"] ?? root + "/.tools/deno/2.9.8/deno" }

    /// The checkout.
    static var root: String {
        URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .path
    }

    var supervisor: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }

    /// The process id of a child, from its record.
    func child(_ name: String) -> Int32? {
        guard let text = try? String(contentsOfFile: "\(state)/run/\(name).pid", encoding: .utf8) else { return nil }
        return text.split(separator: " ").first.flatMap { Int32($0) }
    }

    /// Everything the platform printed so far.
    var log: String { Self.log(state) }

    /// Ends the platform as Ctrl-C does and waits.
    func stop() async {
        guard process.isRunning else { return }
        kill(process.processIdentifier, SIGINT)
        await waitForExit(.seconds(60))
    }

    /// Waits until the supervisor has ended; kills it after `limit`.
    func waitForExit(_ limit: Duration) async {
        let deadline = ContinuousClock.now.advanced(by: limit)
        while process.isRunning {
            if ContinuousClock.now > deadline { kill(process.processIdentifier, SIGKILL) }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    fileprivate static func log(_ state: String) -> String {
        (try? String(contentsOfFile: state + "/up.log", encoding: .utf8)) ?? ""
    }

    private static func openLog(_ state: String) throws -> FileHandle {
        let path = state + "/up.log"
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: nil)
        }
        let handle = try #require(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        return handle
    }
}

/// Why a platform did not come up.
struct PlatformFailure: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// An answer of the front door.
struct Answer {
    let status: Int
    let headers: HeaderFields
    let bytes: [UInt8]

    var text: String { String(decoding: bytes, as: UTF8.self) }
    /// The body as a JSON object; empty when it is none.
    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]) ?? [:]
    }
}

extension Platform {
    /// One request to the front door.
    func call(
        _ method: Transfer.Method, _ path: String, headers: HeaderFields = [:], body: [UInt8]? = nil,
        limit: Int = 64 << 20
    ) async throws -> Answer {
        let request = ClientRequest(
            method, url + path, headers: headers, body: body.map { .bytes($0) } ?? .none,
            timeouts: Timeouts(connect: .seconds(5), total: .seconds(120), idle: .seconds(120)))
        let answer = try await client.collect(request, limit: limit)
        return Answer(status: answer.status, headers: answer.headers, bytes: answer.body)
    }

    func get(_ path: String) async throws -> Answer { try await call(.get, path) }

    /// `POST /func?name=NAME` with `source`.
    @discardableResult
    func deploy(_ name: String, _ source: String, _ options: String = "") async throws -> Answer {
        try await call(.post, "/func?name=\(name)\(options)", body: Array(source.utf8))
    }

    /// Deploys and demands success.
    @discardableResult
    func mustDeploy(_ name: String, _ source: String, _ options: String = "") async throws -> Answer {
        let answer = try await deploy(name, source, options)
        guard [200, 201, 202].contains(answer.status) else {
            throw PlatformFailure("deploying \(name) answered \(answer.status): \(answer.text)")
        }
        return answer
    }

    /// A file of `examples/`.
    static func example(_ name: String) throws -> String {
        try String(contentsOfFile: root + "/examples/\(name).ts", encoding: .utf8)
    }
}

/// Gives `body` a platform on a fresh state directory and removes everything afterwards, also when `body` throws.
func withPlatform(
    arguments: [String] = [], _ body: (Platform) async throws -> Void
) async throws {
    try await withState { state, port, registryPort in
        let platform = try await Platform(state: state, port: port, registryPort: registryPort, arguments: arguments)
        try await body(platform)
        await platform.stop()
    }
}

/// Gives `body` a fresh state directory, in which the base image lies ready after the first use, and two free ports.
func withState(_ body: (String, Int, Int) async throws -> Void) async throws {
    let state = "/tmp/kiln-e2e-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
    try FileManager.default.createDirectory(
        atPath: state, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    defer { try? FileManager.default.removeItem(atPath: state) }
    do {
        try await body(state, try freePort(), try freePort())
    } catch {
        Issue.record("\(error)\n--- what kiln up printed last\n\(Platform.log(state).suffix(6000))")
    }
    try await endEverything(state)
}

/// Ends the platform that still runs in `state`, if a test left one.
func endEverything(_ state: String) async throws {
    let holder = (try? String(contentsOfFile: state + "/lock", encoding: .utf8)) ?? ""
    let command = holder.split(whereSeparator: \.isNewline).first.flatMap { Int32($0) }.map { pid in
        (pid, (try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8)) ?? "")
    }
    guard let (pid, line) = command, line.contains(state) else { return }
    kill(pid, SIGINT)
    for _ in 0..<1500 where kill(pid, 0) == 0 { try await Task.sleep(for: .milliseconds(20)) }
}

/// Waits until `condition` holds, at most `limit`.
func eventually(
    _ what: String, within limit: Duration = .seconds(15), _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now.advanced(by: limit)
    while ContinuousClock.now < deadline {
        if (try? await condition()) == true { return }
        try await Task.sleep(for: .milliseconds(30))
    }
    throw PlatformFailure("it did not happen within \(limit): \(what)")
}

/// Runs a program and returns its exit code and what it printed.
func run(_ program: String, _ arguments: [String]) throws -> (code: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = [program] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    process.standardInput = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
}

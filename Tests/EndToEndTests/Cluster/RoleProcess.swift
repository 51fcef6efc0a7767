import Foundation
import Synchronization

/// A role of a cluster as a process of this build; it can be started again.
final class RoleProcess: Sendable {
    /// What it prints.
    let logPath: String
    private let arguments: [String]
    private let process: Mutex<Process>

    /// Starts `kiln` with `arguments`; its log goes to a file in `directory`.
    init(_ name: String, _ arguments: [String], in directory: String) throws {
        logPath = "\(directory)/\(name).log"
        self.arguments = arguments + ["--state-dir", "\(directory)/\(name)", "--log-level", "debug"]
        _ = FileManager.default.createFile(atPath: logPath, contents: nil)
        process = Mutex(try Self.launch(self.arguments, logPath))
    }

    private static func launch(_ arguments: [String], _ logPath: String) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: Platform.program)
        process.arguments = arguments
        guard let log = FileHandle(forWritingAtPath: logPath) else { throw PlatformFailure("no log at \(logPath)") }
        try log.seekToEnd()
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = log
        process.standardError = log
        try process.run()
        return process
    }

    /// Everything it printed.
    var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }
    var isRunning: Bool { process.withLock { $0.isRunning } }
    /// How much memory it has, in bytes.
    var residentBytes: Int {
        let id = process.withLock { $0.processIdentifier }
        let status = (try? String(contentsOfFile: "/proc/\(id)/status", encoding: .utf8)) ?? ""
        return status.firstMatch(of: /VmRSS:\s+(\d+) kB/).flatMap { Int($0.1) }.map { $0 << 10 } ?? 0
    }

    /// Ends it as a node's failure does.
    func kill() { signal(SIGKILL) }

    /// Ends it as a kubelet does, and waits.
    func end() async {
        signal(SIGTERM)
        let deadline = ContinuousClock.now + .seconds(40)
        while isRunning, .now < deadline { try? await Task.sleep(for: .milliseconds(20)) }
        kill()
    }

    /// Starts it once more, after its end.
    func start() throws {
        while isRunning { usleep(5000) }
        let next = try Self.launch(arguments, logPath)
        process.withLock { $0 = next }
    }

    private func signal(_ number: Int32) {
        process.withLock { if $0.isRunning { Foundation.kill($0.processIdentifier, number) } }
    }
}

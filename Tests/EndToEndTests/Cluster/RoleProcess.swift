import Foundation
import Synchronization

/// A role of a cluster as a process of this build.
final class RoleProcess: Sendable {
    /// What it prints.
    let logPath: String
    private let process: Process

    /// Starts `kiln` with `arguments`; its log goes to a file in `directory`.
    init(_ name: String, _ arguments: [String], in directory: String) throws {
        logPath = "\(directory)/\(name).log"
        process = Process()
        process.executableURL = URL(filePath: Platform.program)
        process.arguments = arguments + ["--state-dir", "\(directory)/\(name)", "--log-level", "debug"]
        _ = FileManager.default.createFile(atPath: logPath, contents: nil)
        guard let log = FileHandle(forWritingAtPath: logPath) else { throw PlatformFailure("no log at \(logPath)") }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = log
        process.standardError = log
        try process.run()
    }

    /// Everything it printed.
    var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }
    var isRunning: Bool { process.isRunning }

    /// Ends it as a node's failure does.
    func kill() { signal(SIGKILL) }

    /// Ends it as a kubelet does, and waits.
    func end() async {
        signal(SIGTERM)
        let deadline = ContinuousClock.now + .seconds(40)
        while process.isRunning, .now < deadline { try? await Task.sleep(for: .milliseconds(20)) }
        kill()
    }

    private func signal(_ number: Int32) {
        if process.isRunning { Foundation.kill(process.processIdentifier, number) }
    }
}

import CLinux
import Subprocess
import SystemPackage

/// What a command printed and how it ended.
package struct CommandResult: Sendable {
    /// Whether it ended with status 0.
    package let succeeded: Bool
    /// Standard output.
    package let output: String
    /// Standard error.
    package let errors: String
}

/// Runs a command of the system's to its end, in `directory` if given. `input` is its standard input.
package func command(
    _ executable: String, _ arguments: [String], input: [UInt8] = [], in directory: String? = nil,
    environment: [String: String] = [:]
) async throws -> CommandResult {
    // A file, not a pipe that somebody feeds: a program may end before it has read its input.
    let file = FileDescriptor(rawValue: linux_memory_file("input"))
    try file.writeAll(input)
    try file.seek(offset: 0, from: .start)
    let result = try await run(
        .name("env"), arguments: Arguments((directory.map { ["-C", $0] } ?? []) + [executable] + arguments),
        environment: systemEnvironment(environment), input: .fileDescriptor(file, closeAfterSpawningProcess: true),
        output: .string(limit: 16 << 20), error: .string(limit: 1 << 20))
    return CommandResult(
        succeeded: result.terminationStatus.isSuccess, output: result.standardOutput, errors: result.standardError)
}

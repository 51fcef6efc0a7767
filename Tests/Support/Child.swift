import Subprocess

/// Why a fixture could not be set up.
package struct FixtureFailure: Error, CustomStringConvertible {
    package let description: String

    /// A failure.
    package init(_ description: String) { self.description = description }
}

/// Runs `executable`, a name in the system's directories, beside `body`, its output discarded, and ends it afterwards:
/// politely first, by force after two seconds.
package func withChild<Result: Sendable>(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:],
    _ body: @Sendable (_ processIdentifier: Int32) async throws -> Result
) async throws -> Result {
    try await run(
        .name(executable), arguments: Arguments(arguments), environment: systemEnvironment(environment), input: .none,
        output: .discarded,
        error: .discarded
    ) { execution in
        try await ending(execution) { try await body(execution.processIdentifier.value) }
    }.closureResult
}

/// Like ``withChild(_:_:environment:_:)``, but `body` begins when the process has printed its first line, and gets it.
package func withChildReady<Result: Sendable>(
    _ executable: String, _ arguments: [String], environment: [String: String] = [:],
    _ body: @Sendable (_ firstLine: String) async throws -> Result
) async throws -> Result {
    try await run(
        .name(executable), arguments: Arguments(arguments), environment: systemEnvironment(environment), input: .none,
        output: .sequence,
        error: .currentStandardError
    ) { execution in
        try await ending(execution) {
            for try await line in execution.standardOutput.strings() {
                return try await body(line.filter { !$0.isNewline })
            }
            throw FixtureFailure("\(executable) ended before it was ready.")
        }
    }.closureResult
}

/// The environment with only the system's directories in `PATH`: what a developer has installed elsewhere is not what
/// is tested.
func systemEnvironment(_ changes: [String: String]) -> Environment {
    var values: [Environment.Key: String?] = ["PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    for (key, value) in changes { values[Environment.Key(stringLiteral: key)] = value }
    return .inherit.updating(values)
}

private func ending<Result, Input, Output, Failure>(
    _ execution: Execution<Input, Output, Failure>, _ body: () async throws -> Result
) async throws -> Result {
    let steps: [TeardownStep] = [.gracefulShutDown(allowedDurationToNextStep: .seconds(2))]
    do {
        let result = try await body()
        await execution.teardown(using: steps)
        return result
    } catch {
        await execution.teardown(using: steps)
        throw error
    }
}

import Contract
import Logging

/// Runs workloads as containers of this machine.
package actor LocalBackend: Backend {
    package nonisolated let events: AsyncStream<WorkloadEvent>
    private let eventSink: AsyncStream<WorkloadEvent>.Continuation
    private let configuration: LocalConfiguration
    private let images: any ImageSource
    private let secrets: any SecretSource
    private let logger: Logger

    /// Checks what the machine can do, and throws ``LocalError`` with one clear sentence when it cannot run instances.
    package init(
        configuration: LocalConfiguration, images: any ImageSource, secrets: any SecretSource, logger: Logger
    ) async throws {
        (events, eventSink) = AsyncStream.makeStream()
        self.configuration = configuration
        self.images = images
        self.secrets = secrets
        self.logger = logger
    }

    package func adopt(_ desired: [Workload]) async throws { throw LocalError(.system, "not built yet") }
    package func rollOut(_ workload: Workload) async throws { throw LocalError(.system, "not built yet") }
    package func retire(_ id: WorkloadID) async {}
    package func status(of id: WorkloadID) async -> WorkloadStatus? { nil }
    package func logs(
        of function: FunctionName, since: Timestamp?, tail: Int, follow: Bool
    ) async -> AsyncStream<LogLine> { AsyncStream { $0.finish() } }

    /// Stops watching and supervising; instances go on running and a later Kiln adopts them.
    package func close() async {}

    /// Ends every instance and removes all that the backend ever made on this machine: containers, network, firewall table, cgroups.
    package func removeEverything() async {}
}

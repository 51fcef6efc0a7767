import Logging
import Service
import Support
import Testing

/// The HTTP server of the roles when it stops.
@Suite struct ServiceStopTests {
    @Test func `a service that stops while connections come ends in order`() async throws {
        try await withTemporaryDirectory { directory in
            for round in 0..<40 {
                let path = "\(directory)/\(round).sock"
                let service = HTTPService(token: "t", logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }) {
                    _ in ServiceResponse(status: 204)
                }
                let (listening, signal) = AsyncStream.makeStream(of: Void.self)
                let running = Task { try await service.run(on: .unix(path: path)) { _ in signal.finish() } }
                for await _ in listening {}
                let callers = (0..<4).map { _ in
                    Task.detached {
                        var connections: [RawConnection] = []
                        while !Task.isCancelled, connections.count < 50 {
                            guard let connection = try? RawConnection(path) else { return }
                            connections.append(connection)
                        }
                    }
                }
                try await Task.sleep(for: .milliseconds(2))
                running.cancel()
                _ = await running.result
                for caller in callers { await caller.value }
            }
        }
    }
}

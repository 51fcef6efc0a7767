import Foundation
import Support
import Testing

/// Constant load over TLS from clients of HTTP/1.1 and HTTP/2 at once, half of it POSTs: `Tests/Support/secure_load.py`.
final class SecureClients: Sendable {
    /// What came of one kind of clients.
    struct Outcome: Decodable, Sendable {
        var kind: String
        var answered: Int
        /// Requests that the Router said it had not processed, and that were sent once more.
        var again: Int
        var connections: Int
        var failed: Int
        var failures: [String]
    }

    private let directory: String
    private let running: Task<[Outcome], any Error>

    /// Starts clients that call `path` at `port`: `one` of HTTP/1.1, `two` of HTTP/2 with `streams` calls at a time each.
    init(port: Int, path: String, certificate: String, one: Int, two: Int, streams: Int) throws {
        let directory = NSTemporaryDirectory() + "kiln-clients-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        self.directory = directory
        running = Task {
            let told = try await Support.command(
                "python3",
                [
                    "-B", Platform.root + "/Tests/Support/secure_load.py", "\(port)", path, certificate,
                    directory + "/stop", "\(one)", "\(two)", "\(streams)",
                ], environment: ["PYTHONPATH": Platform.root + "/.tools/http2"])
            try #require(told.succeeded, "\(told.output)\(told.errors)")
            return try told.output.split(separator: "\n").map {
                try JSONDecoder().decode(Outcome.self, from: Data($0.utf8))
            }
        }
    }

    /// Ends the load when what is under way has been answered, and returns what came of it.
    func stop() async throws -> [Outcome] {
        try Data().write(to: URL(filePath: directory + "/stop"))
        let results = try await running.value
        try FileManager.default.removeItem(atPath: directory)
        return results
    }

    /// Ends the load; there must have been `count` answers of each kind, on `connections` or more, and no failure.
    func stopWithoutFailure(
        atLeast count: Int, connections: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for result in try await stop() {
            #expect(result.failed == 0, "\(result)", sourceLocation: sourceLocation)
            #expect(
                result.answered >= count && result.connections >= connections, "\(result)",
                sourceLocation: sourceLocation)
            print(
                "\(result.kind): \(result.answered) answered, \(result.again) of them sent again, \(result.connections) connections"
            )
        }
    }
}

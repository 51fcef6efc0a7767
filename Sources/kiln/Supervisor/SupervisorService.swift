import Contract
import Glibc
import Logging
import Service
import Transfer

/// What the roles may ask of their supervisor, over a unix socket with their token.
struct SupervisorService: Sendable {
    let keeper: RegistryKeeper

    /// Serves at `socket` until cancelled.
    func run(socket: String, token: String, logger: Logger) async {
        let service = HTTPService(token: token, logger: logger) { request in
            guard request.path == ["internal", "registry", "collect"], request.method == "POST" else {
                throw Problem(
                    "not-found", 404, "Not found",
                    "There is no call \(request.method) /\(request.path.joined(separator: "/")).")
            }
            try await keeper.collect()
            return ServiceResponse(status: 204)
        }
        do {
            try await service.run(on: .unix(path: socket))
        } catch is CancellationError {
        } catch {
            logger.error("cannot serve", metadata: ["socket": "\(socket)", "error": "\(error)"])
        }
    }

    /// Asks the supervisor at `socket` to free what no image in its registry has.
    static func collect(_ client: HTTPClient, socket: String, token: String) async throws {
        let answer = try await client.collect(
            ClientRequest(
                .post, "http://supervisor/internal/registry/collect", socket: socket,
                headers: ["Authorization": "Bearer \(token)"],
                timeouts: Timeouts(connect: .seconds(5), total: nil, idle: nil)))
        guard answer.status == 204 else {
            throw (try? JSON.decode(Problem.self, from: answer.body))
                ?? Problem(
                    "collection-failed", 502, "Garbage collection failed", "The supervisor answered \(answer.status).")
        }
    }
}

import Contract
import Deployer
import FoundationEssentials
import Service
import Transfer

/// A Deployer that runs, as an import needs it.
struct DeployerAccess: Sendable {
    let http: HTTPClient
    let address: RoleAddress
    let token: String

    /// Records `function`, whose images are in the platform's registry.
    func adopt(_ function: FunctionSnapshot) async throws {
        let answer = try await http.collect(
            ClientRequest(
                .post, address.url("/internal/import"), socket: address.socket,
                headers: ["Authorization": "Bearer \(token)", "Content-Type": "application/json"],
                body: .bytes(try JSON.encode(function)),
                timeouts: Timeouts(connect: .seconds(5), total: nil, idle: nil)))
        guard answer.status == 204 else { throw Self.failure(answer) }
    }

    /// The first of `names` that there is already.
    func taken(_ names: [FunctionName]) async throws -> FunctionName? {
        for name in names {
            let answer = try await http.collect(
                ClientRequest(
                    .get, address.url("/func/\(name)"), socket: address.socket,
                    headers: ["Authorization": "Bearer \(token)"], timeouts: Timeouts(connect: .seconds(5))))
            switch answer.status {
            case 200: return name
            case 404: continue
            default: throw Self.failure(answer)
            }
        }
        return nil
    }

    private static func failure(_ answer: CollectedResponse) -> StartError {
        let problem = try? JSON.decode(Problem.self, from: answer.body)
        return StartError(problem?.detail ?? "The Deployer answered \(answer.status).")
    }
}

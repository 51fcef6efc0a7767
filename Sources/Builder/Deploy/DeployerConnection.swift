import Contract
import FoundationEssentials
import Service
import Transfer

/// The Deployer over HTTP.
package struct DeployerConnection: DeployerClient {
    private let client: HTTPClient
    private let address: Endpoint.Address
    private let token: String

    /// A connection to the Deployer at `address`, with the internal token.
    package init(client: HTTPClient, address: Endpoint.Address, token: String) {
        self.client = client
        self.address = address
        self.token = token
    }

    package func ticket(for name: FunctionName, requestID: String) async throws -> Ticket {
        let answer = try await call(.post, "/internal/functions/\(name)/tickets", requestID: requestID)
        return try decode(answer)
    }

    package func checker(requestID: String) async throws -> Endpoint? {
        let place: CheckerPlace = try decode(try await call(.get, "/internal/checker", requestID: requestID))
        return place.checker
    }

    package func giveUp(_ ticket: Ticket, of name: FunctionName, requestID: String) async {
        _ = try? await call(
            .delete, "/internal/functions/\(name)/tickets/\(ticket.number)", requestID: requestID)
    }

    package func deploy(_ request: DeployRequest, of name: FunctionName, requestID: String) async throws -> DeployReply
    {
        let answer = try await call(
            .post, "/internal/functions/\(name)/revisions", try JSON.encode(request), requestID: requestID)
        return DeployReply(status: answer.status, answer: try decode(answer))
    }

    package func revision(
        of name: FunctionName, _ number: Int?, requestID: String
    ) async throws -> DeployedRevision {
        let query = number.map { "?revision=\($0)" } ?? ""
        return try decode(
            try await call(.get, "/internal/functions/\(name)/revision\(query)", requestID: requestID))
    }

    package func live(_ name: FunctionName, requestID: String) async throws -> Revision {
        try decode(try await call(.get, "/internal/functions/\(name)/live", requestID: requestID))
    }

    package func setBase(_ image: PinnedImage) async throws {
        _ = try await call(.put, "/internal/base", try JSON.encode(image), requestID: RequestID.make())
    }

    /// An answer of a 2xx status; any other is thrown as the problem that it carries.
    private func call(
        _ method: Transfer.Method, _ target: String, _ body: [UInt8]? = nil, requestID: String
    ) async throws -> CollectedResponse {
        var headers: HeaderFields = ["Authorization": "Bearer \(token)", "X-Request-Id": requestID]
        if body != nil { headers["Content-Type"] = "application/json" }
        let request = ClientRequest(
            method, address.url(target), socket: address.socket, headers: headers,
            body: body.map { .bytes($0) } ?? .none,
            timeouts: Timeouts(connect: .seconds(5), total: nil, idle: nil))
        let answer: CollectedResponse
        do {
            answer = try await client.collect(request)
        } catch {
            throw BuilderError(.deployer, "The Deployer does not answer; it is being restarted.", cause: error)
        }
        guard !(200..<300).contains(answer.status) else { return answer }
        if let problem = try? JSONDecoder().decode(Problem.self, from: Data(answer.body)) { throw problem }
        throw BuilderError(.deployer, "The Deployer answered with status \(answer.status).")
    }

    private func decode<Value: Decodable>(_ answer: CollectedResponse) throws(BuilderError) -> Value {
        do {
            return try JSONDecoder().decode(Value.self, from: Data(answer.body))
        } catch {
            throw BuilderError(.deployer, "The Deployer's answer cannot be read.", cause: error)
        }
    }
}

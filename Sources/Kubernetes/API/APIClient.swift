import FoundationEssentials
import Logging
import Synchronization
import Transfer

/// A client of a Kubernetes API server: typed objects, kept connections, its own rate limit, and patience where it may help.
package final class APIClient: Sendable {
    /// The limits of a client.
    package struct Configuration: Sendable {
        /// Calls a second on average; flag `--kubernetes-qps`.
        package var callsPerSecond = 50
        /// Calls at once; flag `--kubernetes-burst`.
        package var burst = 100
        /// How often and how long a call is repeated that failed for a passing reason.
        package var retry = RetryPolicy(
            attempts: 8, firstPause: .milliseconds(100), longestPause: .seconds(5), deadline: .seconds(30))
        /// The longest a call may take, watches aside.
        package var callTimeout = Duration.seconds(60)
        /// Most bytes of one answer, and of one event of a watch. A page of 500 objects of the largest size (etcd's 1.5 MiB) does not
        /// occur; 64 MiB are some 10,000 usual ones.
        package var answerLimit = 64 << 20
        /// Whether anything may be changed now; asked before each attempt of a call that changes something. Where several processes share
        /// a task, the one that has lost it must not go on.
        package var mayWrite: @Sendable () -> Bool = { true }
        /// Objects per page of a list.
        package var pageSize = 500

        /// The defaults.
        package init() {}
    }

    /// The name under which Kiln owns fields.
    package static let fieldManager = "kiln"

    /// Where the cluster is.
    package let connection: ClusterConnection
    let configuration: Configuration
    /// Where the client tells of warnings and repetitions.
    package let logger: Logger
    private let credentials: CredentialSource
    private let limit: Mutex<RateLimit>
    private let transport: Mutex<(identity: TLSSettings.Identity?, client: HTTPClient)>
    private let start = ContinuousClock.now

    /// A client of the cluster at `connection`.
    package init(
        _ connection: ClusterConnection, _ configuration: Configuration = Configuration(), logger: Logger
    ) throws(TransferError) {
        self.connection = connection
        self.configuration = configuration
        self.logger = logger
        credentials = CredentialSource(connection.credentials)
        limit = Mutex(RateLimit(perSecond: configuration.callsPerSecond, burst: configuration.burst))
        let identity = connection.credentials.identity
        transport = Mutex((identity, try Self.transport(connection, identity)))
    }

    /// Makes `call` and returns the answer if its status is below 400; waits for the rate limit, repeats, renews credentials.
    package func send(_ call: APICall) async throws(APIError) -> CollectedResponse {
        var schedule = RetrySchedule(configuration.retry)
        var mayRenew = true
        let begin = ContinuousClock.now
        while true {
            try await pace(call)
            guard call.method == .get || configuration.mayWrite() else {
                throw APIError(.fenced, "Cannot \(call.action): another process has taken over.")
            }
            let proof = try await proof(call)
            let request = request(call, proof, Timeouts(total: configuration.callTimeout))
            let outcome: Result<CollectedResponse, TransferError>
            let error: APIError
            do throws(TransferError) {
                let answer = try await client(proof).collect(request, limit: configuration.answerLimit)
                guard answer.status >= 400 else {
                    warn(call, answer.headers)
                    return answer
                }
                outcome = .success(answer)
                error = Self.error(call, answer)
            } catch let failure {
                outcome = .failure(failure)
                error = Self.unreachable(call, failure)
            }
            if error.code == .unauthorized, mayRenew, await credentials.reject(proof) {
                mayRenew = false
                continue
            }
            let pause = call.retriable(outcome, error).flatMap {
                schedule.pause(
                    after: $0, elapsed: .now - begin, fraction: .random(in: 0...1),
                    now: Int(Date().timeIntervalSince1970))
            }
            guard let pause else { throw error }
            logger.debug("repeating a call", metadata: ["call": "\(call.action)", "because": "\(error)"])
            try await Self.sleep(pause, call)
        }
    }

    /// Begins `call`, whose answer is a stream, and returns it if its status is below 400. It is not repeated.
    package func open(_ call: APICall, timeouts: Timeouts) async throws(APIError) -> ClientResponse {
        try await pace(call)
        let proof = try await proof(call)
        let response: ClientResponse
        let body: [UInt8]
        do throws(TransferError) {
            response = try await client(proof).execute(request(call, proof, timeouts))
            guard response.status >= 400 else {
                warn(call, response.headers)
                return response
            }
            body = try await response.body.collect(limit: 1 << 20)
        } catch {
            throw Self.unreachable(call, error)
        }
        let error = Self.error(
            call, CollectedResponse(status: response.status, headers: response.headers, body: body))
        if error.code == .unauthorized { _ = await credentials.reject(proof) }
        throw error
    }

    /// Sleeps; throws when the task is cancelled meanwhile.
    static func sleep(_ pause: Duration, _ call: APICall) async throws(APIError) {
        do {
            try await Task.sleep(for: pause)
        } catch {
            throw APIError(.unreachable, "Cannot \(call.action): it was cancelled.", cause: error)
        }
    }

    private func pace(_ call: APICall) async throws(APIError) {
        let pause = limit.withLock { $0.take(at: .now - start) }
        if pause > .zero { try await Self.sleep(pause, call) }
    }

    private func proof(_ call: APICall) async throws(APIError) -> CredentialSource.Proof {
        do {
            return try await credentials.proof()
        } catch {
            throw APIError(.unauthorized, "Cannot \(call.action): \(error.message)", cause: error.cause)
        }
    }

    /// The transport whose handshakes show the certificate of `proof`. When it changes, exchanges under way end on the old one.
    private func client(_ proof: CredentialSource.Proof) throws(TransferError) -> HTTPClient {
        try transport.withLock { held throws(TransferError) in
            if held.identity != proof.identity {
                held = (proof.identity, try Self.transport(connection, proof.identity))
            }
            return held.client
        }
    }

    private static func transport(
        _ connection: ClusterConnection, _ identity: TLSSettings.Identity?
    ) throws(TransferError) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.tls = TLSSettings(trust: connection.trust, identity: identity)
        configuration.proxy = connection.proxy
        return try HTTPClient(configuration)
    }

    private func request(_ call: APICall, _ proof: CredentialSource.Proof, _ timeouts: Timeouts) -> ClientRequest {
        var headers: HeaderFields = ["Accept": "application/json"]
        if let token = proof.token { headers["Authorization"] = "Bearer \(token)" }
        headers["Content-Type"] = call.contentType
        return ClientRequest(
            call.method, connection.server + call.target, headers: headers, body: call.body.map { .bytes($0) } ?? .none,
            timeouts: timeouts)
    }

    private func warn(_ call: APICall, _ headers: HeaderFields) {
        for warning in Self.warnings(headers) {
            logger.warning("the API server warns", metadata: ["call": "\(call.action)", "warning": "\(warning)"])
        }
    }

    /// The texts of `Warning: 299 - "text"` lines (RFC 7234 §5.5).
    static func warnings(_ headers: HeaderFields) -> [String] {
        headers.values(of: "Warning").compactMap { (line: String) -> String? in
            guard line.hasPrefix("299 "), let first = line.firstIndex(of: "\""), let last = line.lastIndex(of: "\""),
                first < last
            else { return nil }
            return String(line[line.index(after: first)..<last]).replacing("\\\"", with: "\"")
        }
    }

    private static func error(_ call: APICall, _ answer: CollectedResponse) -> APIError {
        let status = try? JSONDecoder().decode(APIStatus.self, from: Data(answer.body))
        return APIError("Cannot \(call.action)", httpStatus: answer.status, status: status, text: answer.text)
    }

    private static func unreachable(_ call: APICall, _ error: TransferError) -> APIError {
        APIError(
            error.code == .tooLarge ? .malformed : .unreachable, "Cannot \(call.action): \(error.message)", cause: error
        )
    }
}

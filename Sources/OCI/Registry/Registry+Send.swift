internal import Contract
internal import Transfer

/// One request to a registry, before authentication and redirects.
struct RegistryCall {
    var method: Method
    var address: WebAddress
    var headers: HeaderFields = [:]
    var body = RequestBody.none
    /// What a token must allow, in the token service's terms; the most important first.
    var scopes: [String] = []
    /// The limit of a collected answer.
    var limit = Manifest.maximumSize
    /// The limits in time: none in total, because blobs take as long as they take.
    var timeouts = Timeouts()

    init(_ method: Method, _ address: WebAddress) {
        self.method = method
        self.address = address
    }

    init(_ method: Method, _ address: WebAddress, pulling repository: String) {
        self.init(method, address)
        scopes = ["repository:\(repository):pull"]
    }

    init(_ method: Method, _ address: WebAddress, pushing repository: String, mounting source: String? = nil) {
        self.init(method, address)
        scopes = ["repository:\(repository):pull,push"] + (source.map { ["repository:\($0):pull"] } ?? [])
    }
}

extension Registry {
    /// The address of `path` below `/v2/`.
    func address(_ path: String) throws(OCIError) -> WebAddress {
        var root = endpoint.url
        while root.hasSuffix("/") { root.removeLast() }
        guard let address = WebAddress("\(root)/v2/\(path)") else {
            throw OCIError(.unsupported, "'\(endpoint.url)' is not the URL of a registry.")
        }
        return address
    }

    /// The address of `path` in `repository`.
    func address(_ repository: String, _ path: String) throws(OCIError) -> WebAddress {
        guard ImageReference.isRepository(repository) else {
            throw OCIError(.unsupported, "'\(repository.prefix(300))' is not a repository path.")
        }
        return try address("\(repository)/\(path)")
    }

    /// Performs `call` and reads the whole answer. `policy` says whether it may be repeated.
    func collect(_ call: RegistryCall, retrying policy: RetryPolicy? = nil) async throws(OCIError) -> CollectedResponse
    {
        try await send(call) { [client, retry] (request) async throws(TransferError) in
            try await client.collect(request, limit: call.limit, retrying: policy ?? retry)
        }
    }

    /// Performs `call` and returns its head, and the body as it comes.
    func stream(_ call: RegistryCall) async throws(OCIError) -> ClientResponse {
        try await send(call) { [client] (request) async throws(TransferError) in try await client.execute(request) }
    }

    private func send<Answer: RegistryAnswer>(
        _ call: RegistryCall, _ transfer: (ClientRequest) async throws(TransferError) -> Answer
    ) async throws(OCIError) -> Answer {
        var call = call
        var redirects = 0
        var challenges = 0
        while true {
            let request = try await authorized(call)
            let answer: Answer
            do throws(TransferError) { answer = try await transfer(request) } catch {
                throw OCIError(
                    error, "\(endpoint.name) could not be asked", asking: call.address,
                    isRegistry: trust.isRegistry(call.address))
            }
            switch answer.status {
            case 401 where challenges < 2 && trust.isRegistry(call.address):
                let offered = Challenge.parse(answer.headers.values(of: "WWW-Authenticate"))
                let sent = request.headers["Authorization"]
                guard try await authenticator.learn(offered, for: call.scopes, sent: sent, trusting: trust) else {
                    return answer
                }
                challenges += 1
            case 301, 302, 307, 308:
                guard call.method == .get || call.method == .head, let location = answer.headers["Location"],
                    let target = call.address.resolving(location)
                else { return answer }
                redirects += 1
                guard redirects <= 5 else { throw OCIError(.locationRefused, "\(endpoint.name) redirects in circles.") }
                call.address = target
            default: return answer
            }
            await answer.discard()
        }
    }

    private func authorized(_ call: RegistryCall) async throws(OCIError) -> ClientRequest {
        var request = ClientRequest(
            call.method, call.address.text, headers: call.headers, body: call.body, timeouts: call.timeouts)
        request.addressRule = try trust.rule(for: call.address)
        // Credentials and the registry's socket belong to its origin: an object store that it redirects to gets
        // neither.
        if trust.isRegistry(call.address) {
            request.socket = endpoint.socket
            request.headers["Authorization"] = try await authenticator.authorization(for: call.scopes)
        }
        return request
    }
}

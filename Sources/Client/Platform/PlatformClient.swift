import Contract
import Transfer

/// The platform behind one URL.
package struct PlatformClient: Sendable {
    /// A bearer token and where it came from.
    package struct Token: Sendable, Hashable {
        let text: String
        let origin: String

        /// The token `text`, found in `origin`, e.g. `KILN_TOKEN`.
        package init(_ text: String, from origin: String) {
            self.text = text
            self.origin = origin
        }
    }

    /// An answer with a status below 400.
    package struct Reply: Sendable {
        /// The status code.
        package let status: Int
        /// The body; `null` when it is empty.
        package let document: JSONValue
    }

    /// Most bytes of an answer: ten thousand functions are some 4 MB.
    private static let answerLimit = 256 << 20

    /// The platform's URL, without a slash at its end.
    package let url: String
    private let token: Token?
    private let http: HTTPClient

    /// The platform at `url`. Throws `usage` for what is no URL.
    package init(url: String, token: Token?, tls: TLSSettings) throws(ClientError) {
        var text = url
        while text.hasSuffix("/") { text.removeLast() }
        guard WebAddress(text) != nil, !text.contains("?"), !text.contains("#") else {
            throw ClientError(
                .usage, "'\(url)' is not the URL of a platform: use http://HOST:PORT or https://HOST (--url, KILN_URL)."
            )
        }
        self.url = text
        self.token = token
        var configuration = HTTPClient.Configuration()
        configuration.tls = tls
        configuration.userAgent = "kiln-client"
        do {
            http = try HTTPClient(configuration)
        } catch {
            throw ClientError(.failed, error.message)
        }
    }

    /// Calls `method` on the path of `segments` and returns the whole answer; throws what a status of 400 or more says.
    package func call(
        _ method: Method, _ segments: [String], query: [(name: String, value: String)] = [],
        headers: HeaderFields = [:],
        body: RequestBody = .none, idle: Duration = .seconds(60)
    ) async throws(ClientError) -> Reply {
        let request = request(method, segments, query, headers, body, idle: idle)
        let answer: CollectedResponse
        do {
            answer = try await http.collect(request, limit: Self.answerLimit)
        } catch {
            throw failure(error)
        }
        guard answer.status < 400 else { throw failure(answer.status, answer.body, method, segments) }
        guard answer.status < 300 else { throw noPlatform(answer.status, method, segments) }
        guard !answer.body.isEmpty else { return Reply(status: answer.status, document: .null) }
        guard let document = JSONValue(answer.body) else { throw noPlatform(answer.status, method, segments) }
        return Reply(status: answer.status, document: document)
    }

    /// The text that a `GET` answers, empty for anything but 200.
    func text(_ segments: [String]) async throws(ClientError) -> String {
        do {
            let answer = try await http.collect(
                request(.get, segments, [], [:], .none, idle: .seconds(10)), limit: Self.answerLimit)
            return answer.status == 200 ? answer.text : ""
        } catch {
            throw failure(error)
        }
    }

    /// Begins a `GET` whose answer has no end; throws what a status of 400 or more says.
    package func stream(
        _ segments: [String], query: [(name: String, value: String)], headers: HeaderFields
    ) async throws(ClientError) -> ResponseBody {
        let request = request(.get, segments, query, headers, .none, idle: nil)
        let answer: ClientResponse
        do {
            answer = try await http.execute(request)
            guard answer.status >= 300 else { return answer.body }
            let body = try await answer.body.collect(limit: 1 << 20)
            throw failure(answer.status, body, .get, segments)
        } catch let error as TransferError {
            throw failure(error)
        } catch let error as ClientError {
            throw error
        } catch {
            throw ClientError(.failed, "\(error)")
        }
    }

    /// Whether the front door says that it is ready.
    package func isReady() async throws(ClientError) -> Bool {
        do {
            return try await http.collect(request(.get, ["readyz"], [], [:], .none, idle: .seconds(10))).status == 200
        } catch {
            throw failure(error)
        }
    }

    /// `address` as the platform gave it, made absolute.
    package func absolute(_ address: String) -> String { address.hasPrefix("/") ? url + address : address }

    private func request(
        _ method: Method, _ segments: [String], _ query: [(name: String, value: String)], _ headers: HeaderFields,
        _ body: RequestBody, idle: Duration?
    ) -> ClientRequest {
        var target = url
        for segment in segments { target += "/" + PercentEncoding.encode(segment) }
        for (index, item) in query.enumerated() {
            target += (index == 0 ? "?" : "&") + "\(item.name)=\(PercentEncoding.encode(item.value))"
        }
        var headers = headers
        if let token { headers["Authorization"] = "Bearer \(token.text)" }
        return ClientRequest(
            method, target, headers: headers, body: body, timeouts: Timeouts(connect: .seconds(10), idle: idle))
    }
}

extension PlatformClient {
    /// What a connection that failed means for the person who called.
    private func failure(_ error: TransferError) -> ClientError {
        switch error.code {
        case .cannotConnect:
            ClientError(
                .unreachable,
                "Nothing answers at \(url). Start the platform there with 'kiln up' (as root), or say where it is with "
                    + "--url URL or KILN_URL.")
        case .timedOut: ClientError(.unreachable, "The platform at \(url) took too long to answer. \(error.message)")
        case .connectionLost, .truncated:
            ClientError(.unreachable, "The connection to \(url) broke before the answer was complete. Try again.")
        case .tls:
            ClientError(
                .unreachable,
                "No secure connection to \(url): \(error.message) An authority of your own is named with --ca-file FILE."
            )
        case .malformedAnswer: ClientError(.unreachable, "What answers at \(url) does not speak HTTP. \(error.message)")
        default: ClientError(.failed, error.message)
        }
    }

    private func failure(_ status: Int, _ body: [UInt8], _ method: Method, _ segments: [String]) -> ClientError {
        guard let problem = JSONValue(body)?.decode(Problem.self) else { return noPlatform(status, method, segments) }
        guard status == 401 else { return ClientError(problem) }
        guard let token else {
            return ClientError(
                .denied,
                "The platform at \(url) asks for a token, and there is none here. It is looked for in the file that --token-file "
                    + "or KILN_TOKEN_FILE names, and in KILN_TOKEN.")
        }
        return ClientError(.denied, "The platform at \(url) does not accept the token from \(token.origin).")
    }

    private func noPlatform(_ status: Int, _ method: Method, _ segments: [String]) -> ClientError {
        ClientError(
            .failed,
            "\(url) answered \(status) to \(method) /\(segments.joined(separator: "/")) in a way that Kiln never does. Is it the "
                + "platform's URL?")
    }
}

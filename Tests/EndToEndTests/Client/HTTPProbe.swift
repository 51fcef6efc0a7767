import Transfer

/// Asks what serves at a port of loopback.
struct HTTPProbe {
    private let client: HTTPClient
    private let url: String

    init(port: Int) throws {
        client = try HTTPClient()
        url = "http://127.0.0.1:\(port)/"
    }

    /// What it answers to `GET /`.
    func text() async throws -> String { try await client.collect(ClientRequest(.get, url)).text }
}

package import Logging
package import Transfer

/// A client of one registry (OCI distribution-spec 1.1).
///
/// It remembers which blobs it has seen in which repository and how to authenticate, and holds no connection of its
/// own: those are the HTTP client's. Every answer is verified against the digest that was asked for.
package final class Registry: Sendable {
    /// The registry.
    package let endpoint: RegistryEndpoint

    let client: HTTPClient
    let retry: RetryPolicy
    let logger: Logger
    let known = KnownBlobs()
    let chunking = Chunking()
    let turns = Turns()
    let trust: RegistryTrust
    let authenticator: Authenticator

    /// The registry at `endpoint`. `retry` is for requests that may be repeated, which all but the opening of uploads
    /// are. `credentials` is asked as whom to talk; without it the endpoint's own serve.
    package init(
        _ endpoint: RegistryEndpoint, client: HTTPClient, retry: RetryPolicy = RetryPolicy(),
        credentials: (any CredentialSource)? = nil, logger: Logger = Logger(label: "kiln.registry")
    ) {
        self.endpoint = endpoint
        self.client = client
        self.retry = retry
        self.logger = logger
        trust = RegistryTrust(endpoint)
        authenticator = Authenticator(
            endpoint, client: client, source: credentials ?? FixedCredentials(endpoint.credentials))
    }

    /// Asks whether the registry is there and lets us in (`GET /v2/`).
    package func ping() async throws(OCIError) {
        let answer = try await collect(RegistryCall(.get, try address("")))
        guard answer.status == 200 else { throw refusal(answer, "\(endpoint.name) does not let us in") }
    }
}

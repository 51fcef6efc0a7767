/// Where the credentials for a registry come from. It is asked when the registry wants some, again when it refuses those sent, and now and
/// then: a login, or new credentials in the place of old ones, need no restart.
package protocol CredentialSource: Sendable {
    /// The file that a person would look into; `nil` when there is none.
    var path: String? { get }

    /// As whom to talk to `registry`, a host with its port; anonymous when nothing is known of it.
    func credentials(for registry: String) async throws(OCIError) -> RegistryEndpoint.Credentials
}

/// Credentials that stay as they are.
package struct FixedCredentials: CredentialSource {
    private let credentials: RegistryEndpoint.Credentials

    package var path: String? { nil }

    /// Always these.
    package init(_ credentials: RegistryEndpoint.Credentials) { self.credentials = credentials }

    package func credentials(for registry: String) async throws(OCIError) -> RegistryEndpoint.Credentials {
        credentials
    }
}

/// Knows as whom to talk to a registry.
package protocol CredentialSource: Sendable {
    /// The credentials for `registry` (`host` or `host:port`). Asked when the registry wants some, and again when it refuses the ones
    /// it got, because those of clouds expire within hours.
    func credentials(for registry: String) async throws(OCIError) -> RegistryEndpoint.Credentials
}

/// The same credentials for any registry.
package struct FixedCredentials: CredentialSource {
    private let credentials: RegistryEndpoint.Credentials

    /// Always `credentials`.
    package init(_ credentials: RegistryEndpoint.Credentials) { self.credentials = credentials }

    package func credentials(for registry: String) async throws(OCIError) -> RegistryEndpoint.Credentials {
        credentials
    }
}

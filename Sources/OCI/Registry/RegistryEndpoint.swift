package import Contract

/// Where a registry is, and as whom to talk to it.
package struct RegistryEndpoint: Sendable, Hashable {
    /// As whom to talk.
    package enum Credentials: Sendable, Hashable {
        /// As anyone.
        case anonymous
        /// As a user; sent only to the registry, and to the token service that it names.
        case basic(user: String, password: String)
        /// By a refresh token, which is sent only to the token service (OAuth 2.0, RFC 6749 §6).
        case identityToken(String)
    }

    /// The authority in image references, `host` or `host:port`.
    package var name: String
    /// The root of its API: `http://host[:port]` or `https://…`, without `/v2`.
    package var url: String
    /// A unix socket to dial instead.
    package var socket: String?
    /// As whom to talk.
    package var credentials: Credentials
    /// Hosts other than the registry's own that token services, redirects and upload locations may name although their
    /// address is private: say the object store behind a registry in the same network.
    package var trustedHosts: Set<String>
    /// Which of its repositories are Kiln's.
    package var repositories: RepositoryNames
    /// Who sees to it that it takes images.
    package var keeper: Keeper

    /// Who runs a registry.
    package enum Keeper: Sendable, Hashable {
        /// `kiln up`, which makes it read-only for moments.
        case kiln
        /// Somebody else.
        case another
    }

    /// The registry `name` at `url`.
    package init(
        name: String, url: String, socket: String? = nil, credentials: Credentials = .anonymous,
        trustedHosts: Set<String> = [], repositories: RepositoryNames = .standard, keeper: Keeper = .another
    ) {
        self.name = name
        self.url = url
        self.socket = socket
        self.credentials = credentials
        self.trustedHosts = trustedHosts
        self.repositories = repositories
        self.keeper = keeper
    }
}

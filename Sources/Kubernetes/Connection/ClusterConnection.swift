import Transfer

/// Where a cluster's API server is, who vouches for it, and who calls it.
package struct ClusterConnection: Sendable, Hashable {
    /// `https://host[:port][/prefix]`, without a slash at the end.
    package var server: String
    /// Who the server's certificate may be signed by.
    package var trust: TLSSettings.Trust
    /// The proxy to the server.
    package var proxy: ProxySettings
    /// How the caller proves who it is.
    package var credentials: ClusterCredentials
    /// The namespace that is meant when none is named.
    package var namespace: String

    /// A way to `server`.
    package init(
        server: String, trust: TLSSettings.Trust = .system, proxy: ProxySettings = .direct,
        credentials: ClusterCredentials = ClusterCredentials(), namespace: String = "default"
    ) {
        self.server = server
        self.trust = trust
        self.proxy = proxy
        self.credentials = credentials
        self.namespace = namespace
    }
}

/// How a caller proves who it is. A certificate may go along with each kind of token.
package struct ClusterCredentials: Sendable, Hashable {
    /// Where the bearer token comes from.
    package enum Bearer: Sendable, Hashable {
        /// There is none.
        case none
        /// This text.
        case token(String)
        /// A file that somebody else keeps fresh; it is read again every ``CredentialSource/fileLifetime``.
        case file(path: String)
        /// A program that prints one, or a certificate.
        case plugin(ExecPlugin)
    }

    /// The certificate shown in the TLS handshake.
    package var identity: TLSSettings.Identity?
    /// The bearer token.
    package var bearer: Bearer

    /// Credentials; by default none.
    package init(identity: TLSSettings.Identity? = nil, bearer: Bearer = .none) {
        self.identity = identity
        self.bearer = bearer
    }
}

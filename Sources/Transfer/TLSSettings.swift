/// Whom an `https` peer's certificate may be signed by. The peer is always verified.
package struct TLSSettings: Sendable, Hashable {
    /// The trusted authorities.
    package enum Trust: Sendable, Hashable {
        /// Those of the system.
        case system
        /// Those of the system and the certificates in a PEM file.
        case systemAnd(pemFile: String)
        /// Only the certificates in a PEM file.
        case only(pemFile: String)
    }

    /// The trusted authorities.
    package var trust: Trust

    /// Trusts `trust`.
    package init(trust: Trust = .system) { self.trust = trust }
}

/// The proxy that requests go through. Environment variables are never read.
package enum ProxySettings: Sendable, Hashable {
    /// Every request goes straight to its host.
    case direct
    /// Requests go through the proxy at `url` (`http://[user:password@]host:port`), except to the hosts named in
    /// `exceptions` (a name covers its subdomains) and to unix sockets.
    case proxy(url: String, exceptions: [String])
}

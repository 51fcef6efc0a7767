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
        /// Only these certificates, in PEM.
        case onlyCertificates(pem: [UInt8])
    }

    /// Whom this side says it is, to peers that ask for a certificate. Held in memory only: no file is made of the key.
    package struct Identity: Sendable, Hashable {
        /// The certificate, with those between it and the authority if there are any, in PEM.
        package let certificate: [UInt8]
        /// Its private key, in PEM, not encrypted.
        package let key: [UInt8]

        /// The owner of `key`, as `certificate` tells.
        package init(certificate: [UInt8], key: [UInt8]) {
            self.certificate = certificate
            self.key = key
        }
    }

    /// The trusted authorities.
    package var trust: Trust
    /// The certificate to show; `nil` for none.
    package var identity: Identity?

    /// Trusts `trust` and is `identity`.
    package init(trust: Trust = .system, identity: Identity? = nil) {
        self.trust = trust
        self.identity = identity
    }
}

/// The proxy that requests go through. Environment variables are never read.
package enum ProxySettings: Sendable, Hashable {
    /// Every request goes straight to its host.
    case direct
    /// Requests go through the proxy at `url` (`http://[user:password@]host:port`), except to the hosts named in
    /// `exceptions` (a name covers its subdomains) and to unix sockets.
    case proxy(url: String, exceptions: [String])
}

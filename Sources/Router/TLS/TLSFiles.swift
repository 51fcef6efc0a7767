import Contract

/// Where the Router's certificate is, for clients that speak TLS.
package struct TLSFiles: Sendable, Equatable {
    /// A file with the certificate and what leads from it to an authority, in PEM, the Router's own first; flag `--tls-certificate`.
    package var certificate: String
    /// A file with its private key, in PEM and without a password; flag `--tls-key`.
    package var key: String
    /// How often the files are looked at for a change.
    package var interval: Duration = .seconds(2)

    /// The pair at these paths.
    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }

    /// Throws ``RouterError`` with a sentence that says what to do when no server could use the files as they are now.
    package func check() throws(RouterError) { _ = try ServerCertificate(self) }
}

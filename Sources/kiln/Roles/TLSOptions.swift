import ArgumentParser
import Contract
import Router

/// TLS towards clients; options of `kiln router` and `kiln up` alike.
struct TLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A file (PEM) with the certificate for https and its chain, the own one first; it is read again when it changes.",
            valueName: "file"))
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("A file (PEM) with the key of that certificate.", valueName: "file"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp("Seconds that the handshake of TLS may take (default: 10).", valueName: "seconds"))
    var tlsHandshakeTimeout: Int?

    /// Where the certificate is; `nil`: clients speak HTTP as it is.
    func files() throws -> TLSFiles? {
        let certificate = tlsCertificate ?? Setting.optional("TLS_CERTIFICATE")
        let key = tlsKey ?? Setting.optional("TLS_KEY")
        switch (certificate, key) {
        case (nil, nil): return nil
        case (let certificate?, let key?): return TLSFiles(certificate: certificate, key: key)
        case (_?, nil): throw StartError("--tls-certificate needs --tls-key: name the file with the certificate's key.")
        case (nil, _?): throw StartError("--tls-key needs --tls-certificate: name the file with the key's certificate.")
        }
    }

    /// What URLs of the front door begin with.
    func scheme() throws -> String { try files() == nil ? "http" : "https" }

    /// Writes what was chosen into `configuration`; throws a sentence about what cannot be.
    func apply(to configuration: inout RouterConfiguration) throws {
        if let seconds = try Setting.number(
            tlsHandshakeTimeout, "--tls-handshake-timeout", in: 1...3600, unit: " seconds")
        {
            configuration.timeouts.handshake = .seconds(seconds)
        }
        configuration.tls = try files()
        do throws(RouterError) {
            try configuration.tls?.check()
        } catch {
            throw StartError(error.message)
        }
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        ChildArguments.option("--tls-certificate", tlsCertificate) + ChildArguments.option("--tls-key", tlsKey)
            + ChildArguments.option("--tls-handshake-timeout", tlsHandshakeTimeout)
    }
}

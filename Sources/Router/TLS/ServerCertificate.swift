import FoundationEssentials
import NIOCore
import NIOSSL

/// A certificate with its key, ready for connections.
struct ServerCertificate: Sendable {
    /// The largest file that is read, in bytes.
    private static let largest = 1 << 20
    /// What TLS 1.2 may use: forward secrecy and authenticated encryption only (RFC 9325, 4.2; RFC 9113, 9.2.2). TLS 1.3 knows nothing else.
    private static let ciphers: [NIOTLSCipher] = [
        .TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, .TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        .TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, .TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        .TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, .TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    ]

    /// What connections begin with.
    let context: NIOSSLContext
    /// The last second of its validity, since 1970.
    let notAfter: Int

    /// Reads the pair. Throws a sentence that says what to do.
    init(_ files: TLSFiles) throws(RouterError) {
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMBytes(try Self.read(files.certificate, "--tls-certificate")) } catch {
            throw Self.error(
                error, "The certificate file \(files.certificate) has no certificates in PEM (--tls-certificate).")
        }
        guard let own = chain.first else {
            throw RouterError(
                .configuration, "The certificate file \(files.certificate) has no certificate (--tls-certificate).")
        }
        let key: NIOSSLPrivateKey
        do { key = try NIOSSLPrivateKey(bytes: try Self.read(files.key, "--tls-key"), format: .pem) } catch {
            throw Self.error(
                error, "The key file \(files.key) has no private key in PEM without a password (--tls-key).")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.cipherSuiteValues = Self.ciphers
        configuration.applicationProtocols = ["h2", "http/1.1"]
        configuration.shutdownTimeout = .seconds(2)
        do { context = try NIOSSLContext(configuration: configuration) } catch {
            throw Self.error(
                error,
                "The key in \(files.key) is not the one of the first certificate in \(files.certificate); the Router's own certificate comes first."
            )
        }
        notAfter = Int(own.notValidAfter)
    }

    private static func read(_ path: String, _ flag: String) throws(RouterError) -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw RouterError(.configuration, "The file \(path) is missing or cannot be read (\(flag)).")
        }
        guard data.count <= largest else {
            throw RouterError(.configuration, "The file \(path) has more than \(largest) bytes (\(flag)).")
        }
        return Array(data)
    }

    private static func error(_ error: any Error, _ sentence: String) -> RouterError {
        error as? RouterError ?? RouterError(.configuration, sentence)
    }
}

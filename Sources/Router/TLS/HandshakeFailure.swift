import NIOSSL

/// Why a connection got no further than its handshake.
enum HandshakeFailure: String, CaseIterable {
    /// It took longer than `--tls-handshake-timeout`.
    case timeout
    /// The client spoke HTTP without TLS.
    case plainHTTP = "plain-http"
    /// Neither a version of TLS nor a cipher is common to both.
    case noAgreement = "no-agreement"
    /// The client refused the certificate, or ended the handshake for a reason of its own.
    case refused
    /// The client ended the connection.
    case closed
    /// A trusted proxy sent no header of the PROXY protocol.
    case noProxyHeader = "no-proxy-header"
    /// What came is no TLS.
    case malformed

    /// What `error` of a handshake means.
    init(_ error: any Error) {
        let text = "\(error)"
        func has(_ words: String...) -> Bool { words.contains { text.contains($0) } }
        if has("EOF during", "ECONNRESET", "errno: 104") {
            self = .closed
        } else if has("ALERT", "BAD_PACKET_LENGTH") {
            // In TLS 1.3, OpenSSL's clients refuse a certificate in plain text, which is too short for what is encrypted by then.
            self = .refused
        } else if has("NO_SHARED", "UNSUPPORTED_PROTOCOL", "NO_COMMON", "INAPPROPRIATE_FALLBACK", "WRONG_CURVE") {
            self = .noAgreement
        } else {
            self = .malformed
        }
    }
}

import CCurl

extension TransferError.Code {
    /// What libcurl's `code` means. Whether the answer's head had arrived tells a lost connection from a truncated
    /// body.
    init(_ code: CURLcode, hasHead: Bool) {
        self =
            switch code {
            // "Login denied" is how a user name in the URL is refused.
            case CURLE_URL_MALFORMAT, CURLE_LOGIN_DENIED: .invalidRequest
            case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY, CURLE_COULDNT_CONNECT, CURLE_PROXY,
                CURLE_INTERFACE_FAILED:
                .cannotConnect
            case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
                CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_PINNEDPUBKEYNOTMATCH, CURLE_USE_SSL_FAILED:
                .tls
            case CURLE_OPERATION_TIMEDOUT: .timedOut
            case CURLE_PARTIAL_FILE: .truncated
            case CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_SEND_FAIL_REWIND:
                hasHead ? .truncated : .connectionLost
            // The scheme was checked before: this is "Received HTTP/0.9 when not allowed".
            case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_BAD_CONTENT_ENCODING:
                .malformedAnswer
            default: .unavailable
            }
    }
}

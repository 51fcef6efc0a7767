/// Why an exchange did not end with a complete answer. An answer of any status, 500 included, is no error here.
package struct TransferError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure that a caller may want to tell apart.
    package enum Code: String, Sendable, Hashable {
        /// The request cannot be sent as it is written: a malformed URL, a header with a line break.
        case invalidRequest
        /// The peer's name did not resolve, or nothing accepted the connection.
        case cannotConnect
        /// The address that would have been dialled is refused by the request's ``AddressRule``.
        case addressRefused
        /// The TLS handshake failed, or the certificate is not trusted.
        case tls
        /// One of the request's ``Timeouts`` passed.
        case timedOut
        /// The connection broke before the answer's head.
        case connectionLost
        /// The connection broke inside the answer's body, or the body was shorter than its length said.
        case truncated
        /// The answer's head or collected body exceeds its limit.
        case tooLarge
        /// The task was cancelled, or the body's reader went away.
        case cancelled
        /// The sequence or file that supplies the request's body failed; ``TransferError/cause`` has its error.
        case bodyFailed
        /// The peer does not speak HTTP, or broke its framing.
        case malformedAnswer
        /// The client is shut down or its engine could not start.
        case unavailable
    }

    /// The kind of failure.
    package let code: Code
    /// What happened, as a sentence for the person who must act.
    package let message: String
    /// What caused it, when that is an error of its own.
    package let cause: (any Error)?

    /// A failure of kind `code`.
    package init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// Whether the same request may succeed when it is sent again: the fault is the network's or the peer's, not the
    /// request's.
    package var isTransient: Bool {
        switch code {
        case .cannotConnect, .timedOut, .connectionLost, .truncated, .malformedAnswer: true
        case .invalidRequest, .addressRefused, .tls, .tooLarge, .cancelled, .bodyFailed, .unavailable: false
        }
    }

    package var description: String {
        if let cause { "\(message) (\(cause))" } else { message }
    }
}

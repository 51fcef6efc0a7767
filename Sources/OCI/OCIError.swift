internal import Transfer

/// Why something with an image, a layer or a registry failed.
package struct OCIError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure that a caller may want to tell apart.
    package enum Code: String, Sendable, Hashable {
        /// A name, mode or size that may not stand in a layer.
        case invalidEntry
        /// A layer that could harm the machine it is unpacked on, or exceeds its limits.
        case hostileLayer
        /// JSON, a tar stream or a gzip stream that is not well formed.
        case malformed
        /// Content that is not what its digest or size says.
        case mismatch
        /// Content larger than its limit.
        case tooLarge
        /// A well-formed thing of a kind not handled here.
        case unsupported
        /// The registry has no such manifest, blob or repository.
        case notFound
        /// The registry wants credentials, or others.
        case unauthorized
        /// Kiln's own registry is read-only while garbage is collected.
        case collecting
        /// A redirect, token service or upload location points where requests must not go.
        case locationRefused
        /// The registry answered with an error; ``OCIError/status`` has it.
        case registry
        /// The registry did not answer; ``OCIError/cause`` has the transfer's error.
        case unreachable
        /// The task was cancelled.
        case cancelled
        /// A file could not be read or written.
        case file
        /// A disk of this machine has no room.
        case diskFull
        /// A C library reported a failure that is none of the input's.
        case library
    }

    /// The kind of failure.
    package let code: Code
    /// What happened, as a sentence for the person who must act.
    package let message: String
    /// The registry's status, when it answered.
    package let status: Int?
    /// What caused it, when that is an error of its own.
    package let cause: (any Error)?
    /// The registry's `Retry-After`.
    let retryAfter: String?

    /// A failure of kind `code`.
    package init(_ code: Code, _ message: String, status: Int? = nil, cause: (any Error)? = nil) {
        self.init(code, message, status: status, cause: cause, retryAfter: nil)
    }

    init(_ code: Code, _ message: String, status: Int?, cause: (any Error)?, retryAfter: String?) {
        self.code = code
        self.message = message
        self.status = status
        self.cause = cause
        self.retryAfter = retryAfter
    }

    package var description: String {
        guard let cause else { return message }
        // What a transfer failed of is in the sentence already.
        if let transfer = cause as? TransferError, message.contains(transfer.message.dropLast()) { return message }
        return "\(message) (\(cause))"
    }
}

/// Why something that the Builder does for itself failed. What a developer did wrong is a ``Contract/Problem`` at once.
package struct BuilderError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure that a caller may want to tell apart.
    package enum Code: String, Sendable, Hashable {
        /// A part of the base image is missing on this machine or cannot be read.
        case recipe
        /// No checker answers.
        case checkerUnavailable
        /// The checker has too much to do.
        case checkerBusy
        /// The check took longer than its deadline.
        case checkerTooSlow
        /// The checker answered something that it never should.
        case checkerAnswer
        /// An image that is to be read is none that Kiln has made of a function.
        case image
        /// What a function imports was stored in a form that cannot be read.
        case dependencies
        /// The Deployer does not answer, or something that it never should.
        case deployer
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

    package var description: String {
        if let cause { "\(message) (\(cause))" } else { message }
    }
}

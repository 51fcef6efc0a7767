/// A failure of the Deployer or of what it stands on.
package struct DeployerError: Error, CustomStringConvertible {
    /// The part that failed.
    package enum Code: String, Sendable {
        /// The store of functions.
        case store
        /// The image registry.
        case registry
        /// The container runtime.
        case runtime
        /// The instances' network.
        case network
        /// The state directory.
        case state
        /// The Kubernetes cluster, or the way to it.
        case cluster
    }

    /// The part that failed.
    package let code: Code
    /// A sentence for the person who must act.
    package let message: String
    /// What it came from.
    package let cause: (any Error)?

    /// A failure of `code`.
    package init(_ code: Code, _ message: String, _ cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message) (\($0))" } ?? message }
}

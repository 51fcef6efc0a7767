/// Why this machine cannot run instances, or why a step of running one failed.
package struct LocalError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure.
    package enum Code: String, Hashable, Sendable {
        /// Kiln lacks a permission, usually root.
        case permission
        /// A program that instances need is not installed or does not work here.
        case missingProgram
        /// The configuration cannot be used.
        case configuration
        /// Another Kiln uses the same state directory.
        case inUse
        /// A system call or program failed.
        case system
    }

    /// The kind.
    package var code: Code
    /// A sentence for the person who must act.
    package var message: String

    /// A failure.
    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { message }
}

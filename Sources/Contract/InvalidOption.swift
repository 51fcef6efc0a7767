/// A deploy option whose value cannot be used.
package struct InvalidOption: Error, Equatable, CustomStringConvertible {
    /// The option's name, e.g. `memory`.
    package let name: String
    /// The rejected value.
    package let value: String
    /// What would be right, as a sentence without its full stop.
    package let reason: String

    /// An option, its rejected value and what would be right.
    package init(name: String, value: String, reason: String) {
        self.name = name
        self.value = value
        self.reason = reason
    }

    package var description: String { "Option '\(name)' cannot be '\(value.prefix(200))': \(reason)." }
}

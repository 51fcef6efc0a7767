/// Writes options again as arguments for a child.
enum ChildArguments {
    /// `name value`, or nothing.
    static func option(_ name: String, _ value: (some CustomStringConvertible)?) -> [String] {
        value.map { [name, "\($0)"] } ?? []
    }

    /// `name value` for each value.
    static func options(_ name: String, _ values: [String]) -> [String] { values.flatMap { [name, $0] } }
}

import Contract

/// A network namespace with one wire to the host, for one instance.
struct NetworkSlot: Sendable, Hashable {
    /// From 1 to ``AddressPool/lastSlot``.
    let number: Int
    /// What may be reached through it.
    var policy: NetworkPolicy

    /// The names that the slots of `installation` have; they start with the installation, so that nothing of another one is touched.
    struct Names: Sendable, Hashable {
        let installation: String

        /// What every device of the installation's slots starts with.
        var devicePrefix: String { "kiln\(installation)" }
        /// What every network namespace of the installation starts with.
        var namespacePrefix: String { "kiln-\(installation)-" }
        /// The host's end of the wire: 13 characters of the 15 that a device name may have.
        func device(_ number: Int) -> String { devicePrefix + Self.digits(number) }
        func namespace(_ number: Int) -> String { namespacePrefix + Self.digits(number) }
        func namespacePath(_ number: Int) -> String { "\(Self.namespaces)/\(namespace(number))" }

        /// Where `ip netns` keeps namespaces.
        static let namespaces = "/run/netns"

        /// The slot number in a device or namespace name of this installation.
        func number(in name: String) -> Int? {
            for prefix in [devicePrefix, namespacePrefix] where name.hasPrefix(prefix) {
                let digits = name.dropFirst(prefix.count)
                if digits.utf8.count == 3, let number = Int(digits, radix: 16) { return number }
            }
            return nil
        }

        private static func digits(_ number: Int) -> String {
            let digits = String(number, radix: 16)
            return String(repeating: "0", count: max(0, 3 - digits.count)) + digits
        }
    }
}

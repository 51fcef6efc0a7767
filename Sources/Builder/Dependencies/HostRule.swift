/// A host that an operator names: `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`; for refusals also `*`.
package struct HostRule: Hashable, Sendable, CustomStringConvertible {
    /// The name or address in lower case, IPv6 without brackets; `*` is every host.
    package let host: String
    /// The port; `nil` for every port.
    package let port: Int?

    /// Every host.
    package static let all = HostRule(host: "*", port: nil)

    /// The host `host` with `port`.
    package init(host: String, port: Int?) {
        self.host = Self.bare(host)
        self.port = port
    }

    /// Parses one; `nil` for anything else.
    package init?(_ text: String) {
        var host = Substring(text)
        var port: Int?
        if let colon = text.lastIndex(of: ":"), !text[colon...].contains("]") {
            host = text[..<colon]
            guard let number = Int(text[text.index(after: colon)...]), (1...65535).contains(number) else { return nil }
            port = number
        }
        let bracketed = host.hasPrefix("[") && host.hasSuffix("]")
        let allowed = host.utf8.allSatisfy { byte in
            (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                || "-._".utf8.contains(byte)
                || (bracketed && ":[]".utf8.contains(byte))
        }
        guard !host.isEmpty, host == "*" || allowed, host.utf8.count <= 255 else { return nil }
        self.init(host: String(host), port: port)
    }

    /// Whether this is about `host` and `port`.
    package func matches(_ host: String, _ port: Int) -> Bool {
        (self.host == "*" || self.host == Self.bare(host)) && (self.port == nil || self.port == port)
    }

    package var description: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port.map { "\(name):\($0)" } ?? name
    }

    private static func bare(_ host: String) -> String {
        var text = host.lowercased()
        if text.hasPrefix("["), text.hasSuffix("]") { text = String(text.dropFirst().dropLast()) }
        // A name with the dot of the root is the same name (RFC 1034, 3.1).
        if text.count > 1, text.hasSuffix(".") { text.removeLast() }
        return text
    }
}

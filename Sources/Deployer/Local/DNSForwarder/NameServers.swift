import NIOCore

/// Whom queries are forwarded to: the host's name servers (resolv.conf(5)).
struct NameServers: Sendable, Hashable {
    /// Most servers that are used, as glibc does it (`MAXNS`).
    static let maximum = 3

    let addresses: [SocketAddress]

    /// Reads the text of a `resolv.conf`; lines that hold no literal address are skipped.
    init(resolver text: String) {
        let literals = text.split(whereSeparator: \.isNewline).compactMap { line -> String? in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard words.count >= 2, words[0] == "nameserver" else { return nil }
            return String(words[1])
        }
        self.init(literals)
    }

    /// The servers at `literals`, IPv4 or IPv6, on port 53 unless written `address:port` (IPv4 only).
    init(_ literals: [String]) {
        addresses = Array(literals.compactMap(Self.address).prefix(Self.maximum))
    }

    private static func address(_ literal: String) -> SocketAddress? {
        let parts = literal.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 2, let port = Int(parts[1]) {
            return try? SocketAddress(ipAddress: String(parts[0]), port: port)
        }
        return try? SocketAddress(ipAddress: literal, port: 53)
    }
}

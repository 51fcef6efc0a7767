/// Where one instance of a function accepts HTTP/1.1.
package struct Endpoint: Hashable, Sendable, Codable {
    /// An address that can be dialled.
    package enum Address: Hashable, Sendable, Codable {
        /// A unix stream socket on this machine, by absolute path (at most 107 bytes, `sun_path`).
        case unix(path: String)
        /// TCP, by literal IPv4 or IPv6 address.
        case tcp(host: String, port: Int)

        /// `host:port` as URLs have it (RFC 3986 §3.2), an IPv6 address in brackets.
        package static func authority(host: String, port: Int) -> String {
            host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        }
    }

    /// The instance's identity: unique over all instances that ever ran in this installation.
    package let id: String
    /// Where it listens.
    package let address: Address

    /// Instance `id` at `address`.
    package init(id: String, address: Address) {
        self.id = id
        self.address = address
    }
}

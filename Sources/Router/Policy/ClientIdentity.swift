import Contract
import NIOCore

/// Who is at the other end of a client connection.
struct ClientIdentity {
    /// The address as it goes into X-Forwarded-For: no port, no brackets.
    let address: ByteBuffer
    /// Whether what it says about the clients behind it is believed.
    let isTrusted: Bool

    /// How its connection comes in: X-Forwarded-Proto.
    let scheme: Scheme

    /// Which HTTP it speaks: Via.
    private(set) var version = Version.http1

    /// A major version of HTTP.
    enum Version { case http1, http2 }

    /// The same client, who speaks `version`.
    func speaking(_ version: Version) -> Self {
        var identity = self
        identity.version = version
        return identity
    }

    /// What a URL begins with.
    enum Scheme { case http, https }

    /// The peer at `address`, trusted if it is in one of `proxies`.
    init(_ address: SocketAddress?, trusting proxies: [IPv4Range], scheme: Scheme = .http) {
        self.scheme = scheme
        let text = address?.ipAddress ?? "unknown"
        // An IPv4 peer of an IPv6 socket.
        let plain = text.hasPrefix("::ffff:") && text.contains(".") ? String(text.dropFirst(7)) : text
        self.address = ByteBuffer(string: plain)
        let range = IPv4Range(plain)
        isTrusted = proxies.contains { proxy in range.map(proxy.overlaps) ?? false }
    }

    /// Whether the request with `head` came over TLS, to here or to a proxy that is believed.
    func isSecure(_ head: borrowing Head) -> Bool {
        guard isTrusted, head.fields.contains(where: { $0.name == .xForwardedProto }) else { return scheme == .https }
        return head.withBytes { bytes in
            head.fields.contains { $0.name == .xForwardedProto && bytes.part($0.value).matches("https") }
        }
    }
}

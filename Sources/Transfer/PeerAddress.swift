import CCurl
import Glibc

/// A resolved IP address in network byte order.
package enum PeerAddress: Sendable, Hashable {
    /// Four bytes.
    case ipv4([UInt8])
    /// Sixteen bytes. An IPv4-mapped address (`::ffff:a.b.c.d`) is given as ``ipv4(_:)``.
    case ipv6([UInt8])

    /// From a socket address; `nil` for another family.
    package init?(_ address: UnsafePointer<sockaddr>) {
        let raw = UnsafeRawPointer(address)
        switch Int32(address.pointee.sa_family) {
        case AF_INET:
            self = .ipv4(Self.bytes(raw.loadUnaligned(as: sockaddr_in.self).sin_addr))
        case AF_INET6:
            self.init(v6: Self.bytes(raw.loadUnaligned(as: sockaddr_in6.self).sin6_addr))
        default: return nil
        }
    }

    /// From the text form that libcurl reports; a zone id is ignored.
    init?(text: UnsafePointer<CChar>) {
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self = .ipv4(Self.bytes(four))
            return
        }
        var six = in6_addr()
        let bare = String(String(cString: text).prefix { $0 != "%" })
        guard inet_pton(AF_INET6, bare, &six) == 1 else { return nil }
        self.init(v6: Self.bytes(six))
    }

    private init(v6 bytes: [UInt8]) {
        let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10...11].allSatisfy { $0 == 255 }
        self = isMapped ? .ipv4(Array(bytes.suffix(4))) : .ipv6(bytes)
    }

    private static func bytes<Address>(_ address: Address) -> [UInt8] {
        withUnsafeBytes(of: address) { Array($0) }
    }
}

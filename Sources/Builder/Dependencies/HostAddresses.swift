import Glibc
import NIOCore
import NIOPosix
import Transfer

/// The addresses of a host name, as this machine resolves them.
enum HostAddresses {
    /// An address to dial.
    struct Target: Sendable {
        let address: PeerAddress
        let socketAddress: SocketAddress
    }

    /// The addresses of `host`, in the order to try them; none when there is no such name.
    static func resolve(_ host: String, port: Int) async throws -> [Target] {
        let bare = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        return try await NIOThreadPool.singleton.runIfActive { lookUp(bare, port) }
    }

    private static func lookUp(_ host: String, _ port: Int) -> [Target] {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(port), &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: [Target] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let raw = entry.pointee.ai_addr, let address = PeerAddress(raw) else { continue }
            let bytes = UnsafeRawPointer(raw)
            let target: SocketAddress? =
                switch entry.pointee.ai_family {
                case AF_INET: SocketAddress(bytes.loadUnaligned(as: sockaddr_in.self))
                case AF_INET6: SocketAddress(bytes.loadUnaligned(as: sockaddr_in6.self))
                default: nil
                }
            if let target { found.append(Target(address: address, socketAddress: target)) }
        }
        return found
    }
}

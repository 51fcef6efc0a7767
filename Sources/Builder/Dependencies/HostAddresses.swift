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

    /// What came of looking up a name.
    enum Outcome: Sendable {
        /// Its addresses, in the order to try them.
        case found([Target])
        /// There is no such name.
        case unknown
        /// Nobody knows: the name servers did not answer, or not in time.
        case failed
    }

    /// Looks up `host`, for at most `patience`. The C library cannot be interrupted: a look-up that takes longer goes on
    /// for nobody.
    static func resolve(_ host: String, port: Int, within patience: TimeAmount) async throws -> Outcome {
        let bare = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let first = loop.makePromise(of: Outcome.self)
        let expiry = loop.scheduleTask(in: patience) { first.succeed(.failed) }
        let work = NIOThreadPool.singleton.runIfActive(eventLoop: loop) { lookUp(bare, port) }
        work.whenComplete { result in
            expiry.cancel()
            first.completeWith(result)
        }
        return try await first.futureResult.get()
    }

    private static func lookUp(_ host: String, _ port: Int) -> Outcome {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_ADDRCONFIG
        var list: UnsafeMutablePointer<addrinfo>?
        switch getaddrinfo(host, String(port), &hints, &list) {
        case 0: break
        case EAI_AGAIN, EAI_SYSTEM, EAI_MEMORY: return .failed
        default: return .unknown
        }
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
        return found.isEmpty ? .unknown : .found(found)
    }
}

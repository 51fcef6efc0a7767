import CLinux
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A socket that clients connect to, on one loop.
final class Listener: EventSource {
    /// What is done with a connection that has been accepted: its descriptor, and where its client is.
    private let accepted: (CInt, SocketAddress?) -> Void
    private var isOpen = true

    /// Connections that wait to be accepted, at most, as far as the system permits it (net.core.somaxconn): a burst of more than
    /// fit in waits a second or more to be tried again by its clients' systems.
    private static let backlog: CInt = 4_096
    /// Connections that are accepted in a row.
    private static let atOnce = 64
    /// How long none is accepted when the system has no file or memory for another.
    private static let rest = TimeAmount.seconds(1)

    /// Listens at `descriptor`, which is bound, and becomes its owner, even if that fails.
    init(_ loop: SocketLoop, _ descriptor: CInt, _ accepted: @escaping (CInt, SocketAddress?) -> Void) throws {
        self.accepted = accepted
        super.init(loop, descriptor)
        do {
            try loop.register(self, EPOLLIN.rawValue)
        } catch {
            closeDescriptor(descriptor)
            throw error
        }
    }

    /// A socket that is bound to `host` and `port`, and listens there.
    static func bind(host: String, port: Int) throws -> CInt {
        let address = try SocketAddress.makeAddressResolvingHost(host, port: port)
        let descriptor = streamSocket(address.protocol)
        guard descriptor >= 0 else { throw IOError(errnoCode: errno, reason: "socket") }
        do {
            try set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1)
            // Addresses of both versions, whatever the system's default is.
            if address.protocol == .inet6 { try set(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
            let code = address.withSockAddr { pointer, length in Self.bind(descriptor, pointer, socklen_t(length)) }
            guard code == 0 else { throw IOError(errnoCode: errno, reason: "bind") }
            try prepare(descriptor)
        } catch {
            closeDescriptor(descriptor)
            throw error
        }
        return descriptor
    }

    private static func bind(_ descriptor: CInt, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> CInt {
        #if canImport(Glibc)
            Glibc.bind(descriptor, address, length)
        #else
            Musl.bind(descriptor, address, length)
        #endif
    }

    /// Makes a bound socket one that connections can be accepted from; they inherit its options (tcp(7)).
    static func prepare(_ descriptor: CInt) throws {
        let flags = fcntl(descriptor, F_GETFL)
        guard flags >= 0, fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) == 0 else {
            throw IOError(errnoCode: errno, reason: "fcntl")
        }
        try set(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, 1)
        // Clients that are gone without a word.
        try set(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1)
        try set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPIDLE, 30)
        try set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPINTVL, 10)
        try set(descriptor, CInt(IPPROTO_TCP), TCP_KEEPCNT, 3)
        guard listen(descriptor) == 0 else { throw IOError(errnoCode: errno, reason: "listen") }
    }

    private static func listen(_ descriptor: CInt) -> CInt {
        #if canImport(Glibc)
            Glibc.listen(descriptor, backlog)
        #else
            Musl.listen(descriptor, backlog)
        #endif
    }

    private static func set(_ descriptor: CInt, _ level: CInt, _ option: CInt, _ value: CInt) throws {
        var value = value
        guard setsockopt(descriptor, level, option, &value, socklen_t(MemoryLayout<CInt>.size)) == 0 else {
            throw IOError(errnoCode: errno, reason: "setsockopt")
        }
    }

    override func ready(_ events: UInt32) {
        for _ in 0..<Self.atOnce {
            guard isOpen else { return }
            var address = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let client = linux_accept(
                descriptor, &address, &length, CInt(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            guard client < 0 else {
                accepted(client, SocketAddress(address))
                continue
            }
            switch errno {
            case EMFILE, ENFILE, ENOBUFS, ENOMEM: return takeRest()
            case EAGAIN: return
            // It has been given up, or failed: accept(2) names a dozen ways that say nothing of the next one.
            default: break
            }
        }
    }

    private func takeRest() {
        loop.change(self, 0)
        let timer = LoopTimer.Task { [weak self] in
            guard let self, isOpen else { return }
            loop.change(self, EPOLLIN.rawValue)
        }
        loop.schedule(timer, at: .now() + Self.rest)
    }

    override func loopEnds() { close() }

    /// Accepts nothing more. What waits to be accepted stays with whoever else has the socket.
    func close() {
        guard isOpen else { return }
        isOpen = false
        // While someone else has the socket, closing it would not end what the system tells of it (epoll(7), question 6).
        loop.remove(self, keeping: true)
        closeDescriptor(descriptor)
    }
}

/// A stream socket that does not block and is closed on exec; -1 and errno.
func streamSocket(_ family: NIOBSDSocket.ProtocolFamily) -> CInt {
    socket(family.rawValue, CInt(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
}

/// Closes a descriptor; a method called `close` hides the system's call.
func closeDescriptor(_ descriptor: CInt) {
    #if canImport(Glibc)
        _ = Glibc.close(descriptor)
    #else
        _ = Musl.close(descriptor)
    #endif
}

import CLinux
import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A connection that is being made.
final class Connecting: EventSource {
    private let done: (Result<Connection, any Error>) -> Void
    private var timer: LoopTimer.Task?
    private var isOver = false

    /// Connects to `address`, and tells `done` of the outcome, never before this has returned; after `timeout` that is an error (`ChannelError.connectTimeout`).
    static func begin(
        _ loop: SocketLoop, to address: SocketAddress, within timeout: TimeAmount,
        _ done: @escaping (Result<Connection, any Error>) -> Void
    ) {
        func fail(_ error: any Error) {
            let bound = NIOLoopBound(done, eventLoop: loop)
            loop.execute { bound.value(.failure(error)) }
        }
        let descriptor = streamSocket(address.protocol)
        guard descriptor >= 0 else { return fail(IOError(errnoCode: errno, reason: "socket")) }
        if address.protocol != .unix {
            var one: CInt = 1
            setsockopt(descriptor, CInt(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<CInt>.size))
        }
        while true {
            let code = address.withSockAddr { pointer, length in connect(descriptor, pointer, socklen_t(length)) }
            if code == 0 || errno == EINPROGRESS { break }
            guard errno != EINTR else { continue }
            let error = IOError(errnoCode: errno, reason: "connect")
            closeDescriptor(descriptor)
            return fail(error)
        }
        let connecting = Connecting(loop, descriptor, done)
        do {
            // One that is there already says so at once.
            try loop.register(connecting, EPOLLOUT.rawValue)
        } catch {
            closeDescriptor(descriptor)
            return fail(error)
        }
        let timer = LoopTimer.Task { [weak connecting] in
            connecting?.finish(.failure(ChannelError.connectTimeout(timeout)))
        }
        connecting.timer = timer
        loop.schedule(timer, at: .now() + timeout)
    }

    private init(
        _ loop: SocketLoop, _ descriptor: CInt, _ done: @escaping (Result<Connection, any Error>) -> Void
    ) {
        self.done = done
        super.init(loop, descriptor)
    }

    override func ready(_ events: UInt32) {
        var code: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        guard code == 0 else { return finish(.failure(IOError(errnoCode: code, reason: "connect"))) }
        loop.remove(self, keeping: true)
        finish(.success(Connection(loop, descriptor)))
    }

    override func loopEnds() { finish(.failure(EventLoopError.shutdown)) }

    private func finish(_ result: Result<Connection, any Error>) {
        guard !isOver else { return }
        isOver = true
        timer?.cancel()
        timer = nil
        if case .failure = result { loop.remove(self) }
        done(result)
    }

    /// Connects to the first address of `host` that accepts; each has `timeout`.
    static func begin(
        _ loop: SocketLoop, host: String, port: Int, within timeout: TimeAmount,
        _ done: @escaping (Result<Connection, any Error>) -> Void
    ) {
        let bound = NIOLoopBound(done, eventLoop: loop)
        // The system's resolver blocks its caller.
        let resolved = NIOThreadPool.singleton.runIfActive(eventLoop: loop) { try resolve(host, port) }
        resolved.whenComplete { result in
            switch result {
            case .success(let addresses): attempt(addresses[...], loop, timeout, bound.value)
            case .failure(let error): bound.value(.failure(error))
            }
        }
    }

    private static func attempt(
        _ addresses: ArraySlice<SocketAddress>, _ loop: SocketLoop, _ timeout: TimeAmount,
        _ done: @escaping (Result<Connection, any Error>) -> Void
    ) {
        guard let first = addresses.first else {
            return done(.failure(RouterError(.endpoint, "Its name has no address.")))
        }
        begin(loop, to: first, within: timeout) { result in
            if case .failure = result, addresses.count > 1 {
                return attempt(addresses.dropFirst(), loop, timeout, done)
            }
            done(result)
        }
    }

    /// The addresses of `host`, in the order in which the system wants them tried (getaddrinfo(3)).
    private static func resolve(_ host: String, _ port: Int) throws -> [SocketAddress] {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &list)
        guard code == 0 else {
            throw RouterError(.endpoint, "\(host) cannot be resolved: \(String(cString: gai_strerror(code))).")
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            next = entry.pointee.ai_next
            guard let address = entry.pointee.ai_addr else { continue }
            switch entry.pointee.ai_family {
            case AF_INET:
                address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                    addresses.append(SocketAddress($0.pointee))
                }
            case AF_INET6:
                address.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) {
                    addresses.append(SocketAddress($0.pointee))
                }
            default: break
            }
        }
        return addresses
    }
}

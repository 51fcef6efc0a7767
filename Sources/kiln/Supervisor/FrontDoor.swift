import Glibc

/// The listening socket of the front door. The supervisor makes it and the Router inherits it, so that a Router that crashes leaves
/// the door open: clients wait in the backlog for the next one instead of being refused.
struct FrontDoor: Sendable {
    let descriptor: Int32
    let port: Int

    /// Listens at `address`; throws a sentence that says what to do when it cannot.
    init(_ address: ListenOption, flag: String = "--listen") throws {
        var hints = addrinfo()
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var results: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(address.host, String(address.port), &hints, &results)
        guard code == 0, let first = results else {
            throw StartError("Cannot listen at \(address.text): \(String(cString: gai_strerror(code))).")
        }
        defer { freeaddrinfo(results) }
        let family = first.pointee.ai_family
        descriptor = socket(family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw StartError("Cannot make a socket: \(String(cString: strerror(errno))).") }
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        guard bind(descriptor, first.pointee.ai_addr, first.pointee.ai_addrlen) == 0, listen(descriptor, 4096) == 0
        else {
            let reason = errno
            close(descriptor)
            throw StartError(Self.sentence(reason, address, flag))
        }
        port = Self.boundPort(descriptor)
    }

    private static func sentence(_ reason: Int32, _ address: ListenOption, _ flag: String) -> String {
        switch reason {
        case EADDRINUSE:
            "Port \(address.port) of \(address.host) is in use by another program. Stop it, or choose another with \(flag) "
                + "HOST:PORT."
        case EACCES:
            "Listening at \(address.text) is not permitted. Ports below 1024 need root; choose another with \(flag) HOST:PORT."
        case EADDRNOTAVAIL: "\(address.host) is not an address of this machine. Choose another with \(flag) HOST:PORT."
        default: "Cannot listen at \(address.text): \(String(cString: strerror(reason)))."
        }
    }

    private static func boundPort(_ descriptor: Int32) -> Int {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes in
            guard let base = bytes.baseAddress,
                getsockname(descriptor, base.assumingMemoryBound(to: sockaddr.self), &length) == 0
            else { return 0 }
            return Int(bytes[2]) << 8 | Int(bytes[3])
        }
    }

    /// Throws a sentence when `address` cannot be listened at now.
    static func requireFree(_ address: ListenOption, flag: String) throws {
        close(try FrontDoor(address, flag: flag).descriptor)
    }

    /// Lets the Router alone hold the door, so that it is shut when the Router stops.
    func leave() { close(descriptor) }

    /// A port of 127.0.0.1 that was free a moment ago.
    static func freePort() throws -> Int {
        let door = try FrontDoor(ListenOption(host: "127.0.0.1", port: 0))
        close(door.descriptor)
        return door.port
    }
}

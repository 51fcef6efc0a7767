import Glibc
import Support

/// A unix socket's client side without any protocol: for what an HTTP client does not do.
final class RawConnection: Sendable {
    private let descriptor: Int32

    /// Connects to the socket at `path`.
    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let status = withUnsafeBytes(of: address) { bytes in
            bytes.withMemoryRebound(to: sockaddr.self) { pointer in
                pointer.baseAddress.map { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) } ?? -1
            }
        }
        // The descriptor is set: throwing from here runs deinit, which closes it.
        guard status == 0 else { throw FixtureFailure("Nothing listens at \(path).") }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(descriptor) }

    /// Sends all of `bytes`.
    func write(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw FixtureFailure("The peer has gone.") }
            rest = rest.dropFirst(count)
        }
    }

    /// The next bytes; empty at the end. Blocks for at most 10 s.
    func read(upTo limit: Int = 65536) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            count = recv(descriptor, buffer.baseAddress, limit, 0)
            if count < 0 {
                count = 0
                throw FixtureFailure("Nothing came from the peer in time.")
            }
        }
    }

    /// Everything up to the end of an HTTP head.
    func readHead() throws -> String {
        var text = ""
        while !text.contains("\r\n\r\n") {
            let bytes = try read(upTo: 1)
            guard !bytes.isEmpty else { throw FixtureFailure("The peer closed inside a head: \(text)") }
            text += String(decoding: bytes, as: UTF8.self)
        }
        return text
    }
}

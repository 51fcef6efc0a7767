import Contract
import Foundation
import Synchronization

/// A server on a unix socket or a TCP port that does what a test tells it, one thread per connection, and counts.
final class TestUpstream: Sendable {
    typealias Handler = @Sendable (RawSocket, TestUpstream) throws -> Void

    private struct State {
        var connections: [RawSocket] = []
        var accepted = 0
        var requests: [RawMessage] = []
        var stopped = false
    }

    let endpoint: Endpoint
    private let listener: CInt
    private let state = Mutex(State())
    private let handler: Handler

    /// Starts a server; `path` is where its socket is, or `nil` for TCP.
    init(_ id: String, path: String?, backlog: Int32 = 128, handler: @escaping Handler) throws {
        self.handler = handler
        let family = path == nil ? AF_INET : AF_UNIX
        listener = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        if let path {
            unlink(path)
            try Self.bind(listener, unix: path)
            endpoint = Endpoint(id: id, address: .unix(path: path))
        } else {
            endpoint = Endpoint(id: id, address: .tcp(host: "127.0.0.1", port: try Self.bindTCP(listener)))
        }
        guard listen(listener, backlog) == 0 else { throw RawSocket.Failure(description: "listen") }
        Thread { [self] in accept() }.start()
    }

    deinit { stop() }

    /// A server that answers every request by `answer`, connections kept alive.
    convenience init(
        _ id: String, path: String?, answer: @escaping @Sendable (RawMessage) throws -> String
    ) throws {
        try self.init(id, path: path) { socket, server in
            while let request = try? socket.receiveRequest(seconds: 60) {
                server.record(request)
                try socket.send(try answer(request))
            }
        }
    }

    /// A server that answers one request by so many events, the next of which it sends when it has got `seen` as a chunk of the body.
    convenience init(path: String, pieces: Int) throws {
        try self.init("a", path: path) { socket, _ in
            _ = try socket.receiveHead()
            try socket.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for index in 0..<pieces {
                try socket.send("9\r\ndata: \(index)\n\n\r\n")
                _ = try socket.receive(through: "seen\r\n")
            }
            try socket.send("0\r\n\r\n")
        }
    }

    /// Connections accepted so far.
    var accepted: Int { state.withLock { $0.accepted } }
    /// Requests that handlers have recorded.
    var requests: [RawMessage] { state.withLock { $0.requests } }
    /// Connections that are open now.
    var open: Int { state.withLock { $0.connections.count } }

    func record(_ request: RawMessage) { state.withLock { $0.requests.append(request) } }

    /// Stops listening; open connections go on.
    func stopListening() {
        let first = state.withLock { state in
            defer { state.stopped = true }
            return !state.stopped
        }
        guard first else { return }
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
        if case .unix(let path) = endpoint.address { unlink(path) }
    }

    /// Dies: stops listening and resets every connection.
    func stop() {
        stopListening()
        for connection in state.withLock({ $0.connections }) { shutdown(connection.descriptor, Int32(SHUT_RDWR)) }
    }

    private func accept() {
        while true {
            let descriptor = Glibc.accept(listener, nil, nil)
            guard descriptor >= 0 else {
                if errno == EINTR || errno == ECONNABORTED { continue }
                return
            }
            let connection = RawSocket(descriptor)
            state.withLock {
                $0.connections.append(connection)
                $0.accepted += 1
            }
            Thread { [weak self] in
                if let self { try? handler(connection, self) }
                connection.close()
                self?.state.withLock { $0.connections.removeAll { $0 === connection } }
            }.start()
        }
    }

    private static func bind(_ listener: CInt, unix path: String) throws {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let result = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            throw RawSocket.Failure(description: "bind \(path): \(String(cString: strerror(errno)))")
        }
    }

    private static func bindTCP(_ listener: CInt) throws -> Int {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.bind(listener, $0, length) == 0 ? getsockname(listener, $0, &length) : -1
            }
        }
        guard result == 0 else { throw RawSocket.Failure(description: "bind: \(String(cString: strerror(errno)))") }
        return Int(in_port_t(bigEndian: address.sin_port))
    }
}

/// A plain 200 with `body`.
func ok(_ body: String = "ok", _ fields: String = "") -> String {
    "HTTP/1.1 200 OK\r\nContent-Length: \(body.utf8.count)\r\n\(fields)\r\n\(body)"
}

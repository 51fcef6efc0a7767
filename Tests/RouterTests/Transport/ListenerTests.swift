import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Router

@Suite struct ListenerTests {
    /// What has been accepted: a descriptor, and where its client is.
    private typealias Accepted = Mutex<[(socket: RawSocket, address: SocketAddress?)]>

    /// Runs `body` with a listener at `descriptor`, and what it has accepted.
    private func withListener(
        _ descriptor: CInt, _ body: (SocketLoop, NIOLoopBound<Listener>, borrowing Accepted) async throws -> Void
    ) async throws {
        let accepted = Box()
        try await withLoop { loop in
            let made = loop.submit {
                let listener = try Listener(loop, descriptor) { client, address in
                    accepted.all.withLock { $0.append((RawSocket(client), address)) }
                }
                return NIOLoopBound(listener, eventLoop: loop)
            }
            try await body(loop, try await made.get(), accepted.all)
        }
    }

    private final class Box: Sendable { let all = Accepted([]) }

    @Test func `all of a burst are accepted, and known by where they are`() async throws {
        let descriptor = try Listener.bind(host: "127.0.0.1", port: 0)
        let port = try localPort(descriptor)
        try await withListener(descriptor) { _, _, accepted in
            let clients = try (0..<200).map { _ in try RawSocket.connect(port) }
            try await eventually("all are there") { accepted.withLock { $0.count } == clients.count }
            let own = try clients.map { try localPort($0.descriptor) }
            #expect(accepted.withLock { $0.compactMap(\.address?.port) }.sorted() == own.sorted())
        }
    }

    @Test func `connections do not block, are closed on exec, and have the options of their listener`() async throws {
        let descriptor = try Listener.bind(host: "127.0.0.1", port: 0)
        let port = try localPort(descriptor)
        try await withListener(descriptor) { _, _, accepted in
            let client = try RawSocket.connect(port)
            try await eventually("it is there") { accepted.withLock { $0.count } == 1 }
            let connection = accepted.withLock { $0[0].socket.descriptor }
            #expect(fcntl(connection, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(connection, F_GETFD) & FD_CLOEXEC != 0)
            #expect(option(connection, CInt(IPPROTO_TCP), TCP_NODELAY) == 1)
            #expect(option(connection, SOL_SOCKET, SO_KEEPALIVE) == 1)
            #expect(option(connection, CInt(IPPROTO_TCP), TCP_KEEPIDLE) == 30)
            #expect(option(connection, CInt(IPPROTO_TCP), TCP_KEEPINTVL) == 10)
            #expect(option(connection, CInt(IPPROTO_TCP), TCP_KEEPCNT) == 3)
            withExtendedLifetime(client) {}
        }
    }

    private func option(_ descriptor: CInt, _ level: CInt, _ name: CInt) -> CInt {
        var value: CInt = -1
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, level, name, &value, &length)
        return value
    }

    @Test(.enabled(if: FileManager.default.fileExists(atPath: "/proc/net/if_inet6")))
    func `addresses of both versions are served at one`() async throws {
        let descriptor = try Listener.bind(host: "::", port: 0)
        #expect(option(descriptor, CInt(IPPROTO_IPV6), IPV6_V6ONLY) == 0)
        let port = try #require(SocketAddress(of: descriptor)?.port)
        try await withListener(descriptor) { loop, _, accepted in
            let client = try RawSocket.connect(port)
            try await eventually("it is there") { accepted.withLock { $0.count } == 1 }
            #expect(accepted.withLock { $0[0].address?.ipAddress } == "::ffff:127.0.0.1")
            let address = try SocketAddress(ipAddress: "::1", port: port)
            let promise = loop.makePromise(of: Void.self)
            loop.execute {
                Connecting.begin(loop, to: address, within: .seconds(5)) { promise.completeWith($0.map { $0.close() }) }
            }
            try await promise.futureResult.get()
            try await eventually("the other is there") { accepted.withLock { $0.count } == 2 }
            #expect(accepted.withLock { $0[1].address?.ipAddress } == "::1")
            withExtendedLifetime(client) {}
        }
    }

    /// A Router that drains leaves what comes to its successor, which may not be there yet.
    @Test func `what comes after it has closed waits for who else has the socket, and costs nothing`() async throws {
        let descriptor = try loopbackListener(backlog: 8)
        defer { close(descriptor) }
        let port = try localPort(descriptor)
        let own = dup(descriptor)
        try Listener.prepare(own)
        try await withListener(own) { loop, listener, accepted in
            try await loop.submit { listener.value.close() }.get()
            let client = try RawSocket.connect(port)
            let spent = try await secondsSpent(by: loop)
            #expect(spent < 0.05)
            #expect(accepted.withLock { $0.isEmpty })
            let next = RawSocket(accept(descriptor, nil, nil))
            try next.send("x")
            let came = try await onThread { try client.receiveSome() }
            #expect(came == [0x78])
        }
    }

    /// CPU time of a loop's thread within 300 ms.
    private func secondsSpent(by loop: SocketLoop) async throws -> Double {
        let before = try await loop.submit { threadSeconds() }.get()
        try await Task.sleep(for: .milliseconds(300))
        return try await loop.submit { threadSeconds() }.get() - before
    }

    @Test func `without a descriptor for another it rests, and goes on when there is one`() async throws {
        let descriptor = try Listener.bind(host: "127.0.0.1", port: 0)
        let port = try localPort(descriptor)
        let count = Mutex(0)
        try await withLoop { loop in
            // From here on the loop's thread has a table of its own: others are not disturbed when that is full.
            let made = loop.submit {
                try #require(unshare(0x400) == 0)
                let listener = try Listener(loop, descriptor) { client, _ in
                    close(client)
                    count.withLock { $0 += 1 }
                }
                var taken: [CInt] = []
                while case let more = dup(descriptor), more >= 0 { taken.append(more) }
                try #require(errno == EMFILE)
                return NIOLoopBound((listener, taken), eventLoop: loop)
            }
            let full = try await made.get()
            let client = try RawSocket.connect(port)
            let spent = try await secondsSpent(by: loop)
            #expect(spent < 0.05)
            #expect(count.withLock { $0 } == 0)
            try await loop.submit { for descriptor in full.value.1 { close(descriptor) } }.get()
            try await eventually("it is accepted") { count.withLock { $0 } == 1 }
            try await loop.submit { full.value.0.close() }.get()
            withExtendedLifetime(client) {}
        }
        close(descriptor)
    }

    @Test func `a socket that cannot be watched is closed`() async throws {
        try await withLoop { (loop: SocketLoop) async throws in
            let file = open("/dev/null", O_RDONLY)
            let descriptor = fcntl(file, F_DUPFD_CLOEXEC, 900)
            close(file)
            try await loop.submit {
                #expect(throws: IOError.self) { try Listener(loop, descriptor) { _, _ in } }
                #expect(fcntl(descriptor, F_GETFD) == -1)
            }.get()
        }
    }

    @Test func `a place that is taken is an error, and no descriptor is left`() async throws {
        let descriptor = try Listener.bind(host: "127.0.0.1", port: 0)
        defer { close(descriptor) }
        let port = try localPort(descriptor)
        #expect(throws: IOError.self) { try Listener.bind(host: "127.0.0.1", port: port) }
    }
}

/// Gives this thread a copy of what it shares with the others (unshare(2)); the C library's module leaves it out.
@_silgen_name("unshare")
private func unshare(_ flags: CInt) -> CInt

import Foundation
import NIOCore
import Testing

@testable import Router

/// How long descriptors and memory are held.
@Suite struct ConnectionLifeTests {
    @Test func `what cannot be watched is closed, and known to no one`() async throws {
        try await withLoop { (loop: SocketLoop) async throws in
            // No file is watched by epoll. The number is one that nobody else gets meanwhile.
            let file = open("/dev/null", O_RDONLY)
            let descriptor = fcntl(file, F_DUPFD_CLOEXEC, 900)
            close(file)
            try await loop.submit {
                let connection = Connection(loop, descriptor)
                let channel = ConnectionChannel(connection)
                #expect(throws: IOError.self) { try connection.start(channel) }
                #expect(!connection.isOpen)
                #expect(connection.owner == nil)
                #expect(fcntl(descriptor, F_GETFD) == -1)
                connection.close()
            }.get()
        }
    }

    @Test func `nothing is kept of a connection that has ended`() async throws {
        try await withLoop { (loop: SocketLoop) async throws in
            var ends: [CInt] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0, &ends) == 0)
            let (own, peer) = (ends[0], RawSocket(ends[1]))
            let left = try await loop.submit {
                let connection = Connection(loop, own)
                let owner = Recorder(connection, reading: true)
                try connection.start(owner)
                connection.write(ByteBuffer(repeating: 0, count: 1_000_000), promise: nil)
                connection.flush()
                connection.close()
                return NIOLoopBound(Weak(connection, owner), eventLoop: loop)
            }.get()
            let (connection, owner) = try await loop.submit {
                (left.value.connection == nil, left.value.owner == nil)
            }.get()
            #expect(connection)
            #expect(owner)
            withExtendedLifetime(peer) {}
        }
    }

    @Test func `closing twice does not close what has the number by then`() async throws {
        try await withLoop { (loop: SocketLoop) async throws in
            var ends: [CInt] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0, &ends) == 0)
            let (own, peer) = (fcntl(ends[0], F_DUPFD_CLOEXEC, 901), RawSocket(ends[1]))
            close(ends[0])
            try await loop.submit {
                let owner = Recorder(Connection(loop, own), reading: true)
                try owner.connection.start(owner)
                owner.connection.close()
                #expect(fcntl(own, F_GETFD) == -1)
                try #require(dup2(peer.descriptor, own) == own)
                owner.connection.close()
                owner.connection.reset()
                #expect(close(own) == 0)
            }.get()
        }
    }
}

/// A connection and its owner, if they are still there.
private final class Weak {
    weak var connection: Connection?
    weak var owner: Recorder?

    init(_ connection: Connection, _ owner: Recorder) {
        self.connection = connection
        self.owner = owner
    }
}

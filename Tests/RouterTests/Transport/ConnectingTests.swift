import Contract
import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Router

@Suite struct ConnectingTests {
    /// What has gone wrong with connecting, if anything has.
    private func outcome(
        _ loop: SocketLoop, _ begin: @escaping @Sendable (@escaping (Result<Connection, any Error>) -> Void) -> Void
    ) async throws -> String {
        let promise = loop.makePromise(of: String.self)
        loop.execute {
            let isBack = Mutex(false)
            begin { result in
                #expect(isBack.withLock { $0 }, "told before the call had returned")
                switch result {
                case .success(let connection):
                    // It must be fit for use.
                    do {
                        try connection.start(Recorder(connection, reading: true))
                        promise.succeed("")
                    } catch {
                        promise.fail(error)
                    }
                    connection.close()
                case .failure(let error): promise.succeed("\(error)")
                }
            }
            isBack.withLock { $0 = true }
        }
        return try await promise.futureResult.get()
    }

    private func address(of upstream: TestUpstream) throws -> SocketAddress {
        guard case .tcp(let host, let port) = upstream.endpoint.address else {
            throw RawSocket.Failure(description: "not at a port")
        }
        return try SocketAddress(ipAddress: host, port: port)
    }

    @Test func `it connects to a port, to a name and to a path`() async throws {
        try await withLoop { (loop: SocketLoop) async throws in
            let upstream = try TestUpstream("a", path: nil) { _ in ok() }
            let address = try address(of: upstream)
            let port = try #require(address.port)
            let first = try await outcome(loop) { Connecting.begin(loop, to: address, within: .seconds(5), $0) }
            #expect(first.isEmpty)
            // It may have an address of either version, of which only one accepts.
            let second = try await outcome(loop) {
                Connecting.begin(loop, host: "localhost", port: port, within: .seconds(5), $0)
            }
            #expect(second.isEmpty)
            let path = NSTemporaryDirectory() + "kiln-connecting-\(UUID().uuidString.prefix(8)).sock"
            defer { unlink(path) }
            let other = try TestUpstream("b", path: path) { _ in ok() }
            let place = try SocketAddress(unixDomainSocketPath: path)
            let third = try await outcome(loop) { Connecting.begin(loop, to: place, within: .seconds(5), $0) }
            #expect(third.isEmpty)
            withExtendedLifetime((upstream, other)) {}
        }
    }

    @Test func `nothing that listens is an error at once`() async throws {
        try await withLoop { (loop: SocketLoop) async throws in
            let descriptor = try loopbackListener(backlog: 1)
            let port = try localPort(descriptor)
            close(descriptor)
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
            let refused = try await outcome(loop) { Connecting.begin(loop, to: address, within: .seconds(5), $0) }
            #expect(refused.contains("refused"))
            let place = try SocketAddress(unixDomainSocketPath: "/nonexistent/kiln.sock")
            let absent = try await outcome(loop) { Connecting.begin(loop, to: place, within: .seconds(5), $0) }
            #expect(absent.contains("No such file"))
            let unknown = try await outcome(loop) {
                Connecting.begin(loop, host: "nothing.invalid", port: 1, within: .seconds(5), $0)
            }
            #expect(unknown.contains("nothing.invalid cannot be resolved"))
        }
    }

    @Test func `what does not answer is given up in time`() async throws {
        try await withLoop { (loop: SocketLoop) async throws in
            let descriptor = try loopbackListener(backlog: 0)
            defer { close(descriptor) }
            let port = try localPort(descriptor)
            // Its backlog is full: the system leaves what more comes without an answer.
            let waiting = try (0..<2).map { _ in
                let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0)
                try #require(socket >= 0)
                let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
                _ = address.withSockAddr { connect(socket, $0, socklen_t($1)) }
                return RawSocket(socket)
            }
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: port)
            let began = ContinuousClock.now
            let late = try await outcome(loop) { Connecting.begin(loop, to: address, within: .milliseconds(100), $0) }
            #expect(late.contains("imeout"))
            #expect(ContinuousClock.now - began < .seconds(3))
            withExtendedLifetime(waiting) {}
        }
    }
}

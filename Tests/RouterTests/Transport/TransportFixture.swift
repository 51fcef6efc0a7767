import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Router

/// Runs `body` with an event loop, and ends that whatever happens.
func withLoop(_ body: (SocketLoop) async throws -> Void) async throws {
    let group = try SocketLoopGroup(threads: 1)
    do {
        try await body(group.loops[0])
    } catch {
        await group.stop()
        throw error
    }
    await group.stop()
}

/// Two ends of a unix socket: one that does not block, and a test's.
func unixPair() throws -> (CInt, RawSocket) {
    var ends: [CInt] = [0, 0]
    try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
    _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
    return (ends[0], RawSocket(ends[1]))
}

/// The same over TCP.
func tcpPair() throws -> (CInt, RawSocket) {
    let descriptor = try loopbackListener(backlog: 8)
    defer { close(descriptor) }
    let peer = try RawSocket.connect(try localPort(descriptor))
    let accepted = accept(descriptor, nil, nil)
    _ = fcntl(accepted, F_SETFL, O_NONBLOCK)
    return (accepted, peer)
}

/// Runs `body` with a connection whose owner writes down what it is told, and the other end of it.
func withConnection(
    reading: Bool = true, _ pair: () throws -> (CInt, RawSocket) = unixPair,
    _ body: (TestConnection, RawSocket) async throws -> Void
) async throws {
    try await withLoop { loop in
        let (own, peer) = try pair()
        let made = loop.submit {
            let owner = Recorder(Connection(loop, own), reading: reading)
            try owner.connection.start(owner)
            return NIOLoopBound(owner, eventLoop: loop)
        }
        try await body(TestConnection(recorder: try await made.get()), peer)
    }
}

/// The same over TCP.
func withTCPConnection(_ body: (TestConnection, RawSocket) async throws -> Void) async throws {
    try await withConnection(tcpPair, body)
}

/// What the owner of a connection has been told, from any thread.
struct TestConnection: Sendable {
    let recorder: NIOLoopBound<Recorder>

    /// Runs `body` on the loop.
    func run<Value: Sendable>(_ body: @escaping @Sendable (Recorder) throws -> Value) async throws -> Value {
        try await recorder.eventLoop.submit { try body(recorder.value) }.get()
    }

    func events() async throws -> [Recorder.Event] { try await run { $0.events } }

    /// Waits until the owner has been told of `event`.
    func expect(_ event: Recorder.Event, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        for _ in 0..<1_000 {
            if try await events().contains(event) { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("not told of \(event), but of \(try await events())", sourceLocation: sourceLocation)
    }
}

/// Writes down what it is told.
final class Recorder: WireOwner {
    enum Event: Equatable, Sendable { case ended, failed, inputEnded, writable, promise(Int), brokenPromise(Int) }

    let connection: Connection
    var events: [Event] = []
    var bytes = ByteBuffer()
    /// Memory that the pieces keep that have come.
    var kept = 0
    var wantsInput: Bool
    /// What is done when input comes.
    var onRead: (() -> Void)?
    /// What is done at the end.
    var onEnd: (() -> Void)?

    init(_ connection: Connection, reading: Bool) {
        self.connection = connection
        wantsInput = reading
    }

    func read(_ more: ByteBuffer) {
        bytes.writeImmutableBuffer(more)
        kept += more.storageCapacity
        onRead?()
    }

    func readComplete() {}

    func readEnded() { events.append(.inputEnded) }

    func becameWritable() { events.append(.writable) }

    func ended(_ error: (any Error)?) {
        events.append(error == nil ? .ended : .failed)
        onEnd?()
    }

    /// Writes `count` bytes, whose fate is written down as that of promise `number`.
    func write(_ count: Int, promise number: Int) {
        let promise = connection.loop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: connection.loop)
        promise.futureResult.whenComplete { result in
            if case .success = result {
                bound.value.events.append(.promise(number))
            } else {
                bound.value.events.append(.brokenPromise(number))
            }
        }
        connection.write(ByteBuffer(repeating: UInt8(number), count: count), promise: promise)
    }
}

/// CPU time of this thread so far.
func threadSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Router

@Suite struct ConnectionTests {
    @Test(arguments: [1, 16_383, 16_384, 65_536, 1_000_000])
    func `bytes come as they were sent`(count: Int) async throws {
        try await withConnection { connection, peer in
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) }
            try await onThread { try peer.send(bytes) }
            try await eventuallyRead(connection, count)
            let came = try await connection.run { Array($0.bytes.readableBytesView) }
            #expect(came == bytes)
        }
    }

    @Test func `a small piece does not keep a large buffer`() async throws {
        try await withConnection { connection, peer in
            try await onThread { try peer.send([1, 2, 3]) }
            try await eventuallyRead(connection, 3)
            let kept = try await connection.run { $0.kept }
            #expect(kept < 1_024)
        }
    }

    @Test func `many pieces leave in their order, whatever the system takes at once`() async throws {
        try await withConnection { connection, peer in
            // More than the socket holds, and more pieces than one call sends.
            let sizes = (0..<200).map { 1 + $0 * 97 % 9_000 }
            try await connection.run { owner in
                for (number, size) in sizes.enumerated() { owner.write(size, promise: number) }
                owner.connection.flush()
            }
            let expected = sizes.enumerated().flatMap { Array(repeating: UInt8($0), count: $1) }
            let received = try await onThread {
                var all: [UInt8] = []
                while all.count < expected.count { all += try peer.receiveSome() }
                return all
            }
            #expect(received == expected)
            try await connection.expect(.promise(199))
            let kept = try await connection.events().filter { $0 != .writable }
            #expect(kept == (0..<200).map { .promise($0) })
        }
    }

    @Test func `what is sent behind pieces that wait comes behind them`() async throws {
        try await withConnection { connection, peer in
            try await connection.run { owner in
                owner.write(2_000_000, promise: 1)
                owner.connection.flush()
                owner.connection.send(ByteBuffer(bytes: [9, 9]))
            }
            let received = try await onThread {
                var all: [UInt8] = []
                while all.count < 2_000_002 { all += try peer.receiveSome() }
                return all
            }
            #expect(received.suffix(3) == [1, 9, 9])
        }
    }

    @Test func `what is sent behind a piece that nobody has sent yet comes behind it`() async throws {
        try await withConnection { connection, peer in
            try await connection.run { owner in
                owner.write(2, promise: 1)
                owner.connection.send(ByteBuffer(bytes: [9, 9]))
            }
            let received = try await onThread { try peer.receive(4) }
            #expect(received == [1, 1, 9, 9])
        }
    }

    @Test func `it is not writable while much waits, and says when it is again`() async throws {
        try await withConnection { connection, peer in
            let before = try await connection.run { owner in
                owner.write(2_000_000, promise: 1)
                owner.connection.flush()
                return owner.connection.isWritable
            }
            #expect(!before)
            let told = try await connection.events()
            #expect(told.isEmpty)
            try await onThread {
                var left = 2_000_000
                while left > 0 { left -= try peer.receiveSome().count }
            }
            try await connection.expect(.writable)
            let isWritable = try await connection.run { $0.connection.isWritable }
            #expect(isWritable)
        }
    }

    /// A reader that stops because its owner's own output is full must be told when one flush makes room.
    @Test func `a flush that makes room says so`() async throws {
        try await withConnection { connection, _ in
            let writable = try await connection.run { owner in
                owner.write(70_000, promise: 1)
                let before = owner.connection.isWritable
                owner.connection.flush()
                return [before, owner.connection.isWritable]
            }
            #expect(writable == [false, true])
            let events = try await connection.events()
            #expect(events.contains(.writable))
        }
    }

    @Test func `nothing is read that is not wanted, until it is`() async throws {
        try await withConnection(reading: false) { connection, peer in
            let sent = try await onThread {
                // What does not fit into the socket stays with the peer.
                _ = fcntl(peer.descriptor, F_SETFL, O_NONBLOCK)
                var total = 0
                let chunk = [UInt8](repeating: 7, count: 4_096)
                while true {
                    let count = Glibc.send(peer.descriptor, chunk, chunk.count, Int32(MSG_NOSIGNAL))
                    if count <= 0 { return total }
                    total += count
                }
            }
            try await Task.sleep(for: .milliseconds(50))
            let came = try await connection.run { $0.bytes.readableBytes }
            #expect(came == 0)
            try await connection.run { owner in
                owner.wantsInput = true
                owner.connection.resumeReading()
            }
            try await eventuallyRead(connection, sent)
        }
    }

    @Test func `a loop does not spin for input that is not wanted`() async throws {
        try await withConnection(reading: false) { connection, peer in
            try peer.send("x")
            try await Task.sleep(for: .milliseconds(20))
            let before = try await connection.run { _ in threadSeconds() }
            try await Task.sleep(for: .milliseconds(300))
            let after = try await connection.run { _ in threadSeconds() }
            #expect(after - before < 0.05)
        }
    }

    @Test func `an end of input leaves the output open`() async throws {
        try await withConnection { connection, peer in
            try peer.send("last")
            peer.endOutput()
            try await connection.expect(.inputEnded)
            let came = try await connection.run { $0.bytes.readableBytes }
            #expect(came == 4)
            try await connection.run { $0.connection.send(ByteBuffer(string: "answer")) }
            let answer = try await onThread { try peer.receiveSome() }
            #expect(answer == Array("answer".utf8))
            let told = try await connection.events()
            #expect(told == [.inputEnded])
        }
    }

    /// An owner that has paused could otherwise wait for ever for a peer that is gone.
    @Test func `an end is told to who wants no input, behind all input`() async throws {
        try await withConnection(reading: false) { connection, peer in
            try peer.send("last")
            try await Task.sleep(for: .milliseconds(20))
            peer.endOutput()
            try await connection.expect(.inputEnded)
            let came = try await connection.run { $0.bytes.readableBytes }
            #expect(came == 4)
        }
    }

    @Test func `the end of output comes behind what waits`() async throws {
        try await withConnection { connection, peer in
            try await connection.run { owner in
                owner.write(1_000_000, promise: 1)
                owner.connection.flush()
                owner.connection.closeOutput()
            }
            let total = try await onThread {
                var total = 0
                while true {
                    let some = try peer.receiveSome()
                    if some.isEmpty { return total }
                    total += some.count
                }
            }
            #expect(total == 1_000_000)
            try peer.send("still heard")
            try await eventuallyRead(connection, 11)
            peer.endOutput()
            try await connection.expect(.ended)
        }
    }

    @Test func `the end of output sends what nobody has sent before`() async throws {
        try await withConnection { connection, peer in
            try await connection.run { owner in
                owner.write(3, promise: 1)
                owner.connection.closeOutput()
            }
            let rest = try await onThread { try peer.receiveAll() }
            #expect(rest == "\u{1}\u{1}\u{1}")
            try await connection.expect(.promise(1))
        }
    }

    @Test func `nothing is taken behind the end of output`() async throws {
        try await withConnection { connection, _ in
            try await connection.run { owner in
                owner.connection.closeOutput()
                owner.write(1, promise: 1)
            }
            try await connection.expect(.brokenPromise(1))
        }
    }

    @Test func `what the peer has said is heard although it takes nothing more`() async throws {
        try await withConnection(reading: false) { connection, peer in
            try peer.send("413, and good-bye")
            peer.close()
            try await connection.run { owner in
                owner.write(100, promise: 1)
                owner.connection.flush()
            }
            try await connection.expect(.brokenPromise(1))
            let text = try await connection.run { String(buffer: $0.bytes) }
            #expect(text == "413, and good-bye")
            let told = try await connection.events()
            #expect(told.contains(.failed) || told.contains(.ended))
            let isClosed = try await connection.run { !$0.connection.isOpen }
            #expect(isClosed)
        }
    }

    @Test func `closing breaks promises and tells the owner once`() async throws {
        try await withConnection { connection, peer in
            try await connection.run { owner in
                owner.write(2_000_000, promise: 1)
                owner.connection.flush()
                owner.connection.close()
                owner.connection.close()
                owner.connection.flush()
                owner.connection.resumeReading()
            }
            try await connection.expect(.brokenPromise(1))
            let events = try await connection.events()
            #expect(events.filter { $0 == .ended }.count == 1)
            let isOver = try await onThread {
                var some = try peer.receiveSome()
                while !some.isEmpty { some = try peer.receiveSome() }
                return true
            }
            #expect(isOver)
        }
    }

    @Test(arguments: [true, false]) func `a close with something unsent is a reset, one without is an end`(unsent: Bool)
        async throws
    {
        try await withLoop { loop in
            let (accepted, peer) = try tcpPair()
            try await loop.submit {
                let connection = Connection(loop, accepted)
                connection.write(ByteBuffer(string: "left"), promise: nil)
                connection.flush()
                if unsent { connection.write(ByteBuffer(string: "kept"), promise: nil) }
                connection.close()
            }.get()
            let end = try await onThread {
                do {
                    var text: [UInt8] = []
                    while true {
                        let some = try peer.receiveSome()
                        if some.isEmpty { return String(decoding: text, as: UTF8.self) }
                        text += some
                    }
                } catch {
                    return "reset"
                }
            }
            #expect(end == (unsent ? "reset" : "left"))
        }
    }

    @Test func `an owner may close in the middle of what it is told`() async throws {
        try await withConnection { connection, peer in
            try await connection.run { owner in owner.onRead = { [unowned owner] in owner.connection.close() } }
            try await onThread { try peer.send([UInt8](repeating: 1, count: 200_000)) }
            try await connection.expect(.ended)
            let came = try await connection.run { $0.bytes.readableBytes }
            #expect(came <= 65_536)
        }
    }

    @Test func `a reset is an error, behind what came before it`() async throws {
        try await withTCPConnection { connection, peer in
            try peer.send("abc")
            try await eventuallyRead(connection, 3)
            peer.reset()
            try await connection.expect(.failed)
        }
    }

    /// Where only an end marks the end of a message, a reset must not look like one.
    @Test func `a reset that is found by sending is an error too, behind what came before it`() async throws {
        try await withTCPConnection { connection, peer in
            try await connection.run { owner in
                // All before the loop looks at what has happened.
                try peer.send("abc")
                peer.reset()
                owner.write(1, promise: 1)
                owner.connection.flush()
            }
            let (told, bytes) = try await connection.run { ($0.events, $0.bytes.readableBytes) }
            #expect(told == [.brokenPromise(1), .failed])
            #expect(bytes == 3)
        }
    }

    @Test func `an orderly end that is found by sending is none`() async throws {
        try await withConnection { connection, peer in
            try await connection.run { owner in
                try peer.send("abc")
                peer.close()
                owner.write(1, promise: 1)
                owner.connection.flush()
            }
            let (told, bytes) = try await connection.run { ($0.events, $0.bytes.readableBytes) }
            #expect(told == [.brokenPromise(1), .ended])
            #expect(bytes == 3)
        }
    }

    @Test func `a reset of this side is no orderly end`() async throws {
        try await withLoop { loop in
            let (accepted, peer) = try tcpPair()
            try await loop.submit { Connection(loop, accepted).reset() }.get()
            await #expect(throws: RawSocket.Failure.self) { try await onThread { try peer.receiveSome() } }
        }
    }

    /// The system may tell of a descriptor that has been closed, and become another's, since.
    @Test func `a descriptor's next owner is not told of its former one's events`() async throws {
        let successor = Mutex<(NIOLoopBound<Recorder>, RawSocket, Bool)?>(nil)
        var reused = 0
        try await withLoop { loop in
            for _ in 0..<50 {
                let (one, firstPeer) = try unixPair()
                let (two, secondPeer) = try unixPair()
                let made = loop.submit {
                    let closer = Recorder(Connection(loop, one), reading: true)
                    let victim = Recorder(Connection(loop, two), reading: true)
                    try closer.connection.start(closer)
                    try victim.connection.start(victim)
                    closer.onRead = {
                        victim.connection.close()
                        guard let (three, peer) = try? unixPair() else { return }
                        let next = Recorder(Connection(loop, three), reading: true)
                        try? next.connection.start(next)
                        closer.onRead = nil
                        successor.withLock { $0 = (NIOLoopBound(next, eventLoop: loop), peer, three == two) }
                    }
                    // Both are told of in one go: what has come for the one, and that the other's peer is gone.
                    try firstPeer.send("x")
                    secondPeer.close()
                }
                try await made.get()
                try await loop.submit {}.get()
                try await loop.submit {}.get()
                let (next, peer, isSame) = try #require(successor.withLock { $0 })
                reused += isSame ? 1 : 0
                let isOpen = try await loop.submit { next.value.connection.isOpen }.get()
                #expect(isOpen)
                withExtendedLifetime(peer) {}
                try await loop.submit { next.value.connection.close() }.get()
            }
            #expect(reused > 0)
        }
    }

    private func eventuallyRead(
        _ connection: TestConnection, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        for _ in 0..<1_000 {
            if try await connection.run({ $0.bytes.readableBytes }) >= count { return }
            try await Task.sleep(for: .milliseconds(5))
        }
        Issue.record("not all has come", sourceLocation: sourceLocation)
    }
}

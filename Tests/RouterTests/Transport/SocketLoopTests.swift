import Foundation
import NIOCore
import Synchronization
import Testing

@testable import Router

@Suite struct SocketLoopTests {
    @Test func `tasks of many threads are all done, each thread's in its order`() async throws {
        try await withLoop { loop in
            let done = Mutex<[Int: [Int]]>([:])
            try await onThread {
                DispatchQueue.concurrentPerform(iterations: 8) { thread in
                    for number in 0..<2_000 {
                        loop.execute { done.withLock { $0[thread, default: []].append(number) } }
                    }
                }
            }
            try await loop.submit {}.get()
            for thread in 0..<8 { #expect(done.withLock { $0[thread] } == Array(0..<2_000)) }
        }
    }

    @Test func `a task knows that it is on the loop, and others that they are not`() async throws {
        try await withLoop { loop in
            #expect(!loop.inEventLoop)
            let isOn = try await loop.submit { loop.inEventLoop }.get()
            #expect(isOn)
        }
    }

    @Test func `timers come in the order of their deadlines, not before them, and not when cancelled`() async throws {
        try await withLoop { loop in
            let done = Mutex<[Int]>([])
            let began = NIODeadline.now()
            for delay in [40, 10, 30, 10, 20] {
                loop.scheduleTask(in: .milliseconds(Int64(delay))) { done.withLock { $0.append(delay) } }
            }
            let cancelled = loop.scheduleTask(in: .milliseconds(25)) { done.withLock { $0.append(25) } }
            cancelled.cancel()
            try await loop.scheduleTask(in: .milliseconds(50)) {}.futureResult.get()
            #expect(NIODeadline.now() - began >= .milliseconds(50))
            #expect(done.withLock { $0 } == [10, 10, 20, 30, 40])
            await #expect(throws: EventLoopError.self) { try await cancelled.futureResult.get() }
        }
    }

    @Test func `a task that begins another lets sockets have their turn`() async throws {
        try await withConnection { connection, peer in
            let rounds = Mutex(0)
            let isOver = Mutex(false)
            @Sendable func again() {
                rounds.withLock { $0 += 1 }
                if isOver.withLock({ !$0 }) { connection.recorder.eventLoop.execute { again() } }
            }
            connection.recorder.eventLoop.execute { again() }
            try await eventually("rounds") { rounds.withLock { $0 } > 100 }
            try peer.send("x")
            peer.endOutput()
            try await connection.expect(.inputEnded)
            isOver.withLock { $0 = true }
        }
    }

    @Test func `a loop that waits takes no time`() async throws {
        try await withLoop { loop in
            let before = try await loop.submit { threadSeconds() }.get()
            try await Task.sleep(for: .milliseconds(300))
            let after = try await loop.submit { threadSeconds() }.get()
            #expect(after - before < 0.05)
        }
    }

    @Test func `stopping closes what is open, does what was asked, and fails what is scheduled`() async throws {
        let group = try SocketLoopGroup(threads: 2)
        let loop = group.loops[1]
        var ends: [CInt] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0, &ends) == 0)
        let (own, peer) = (ends[0], RawSocket(ends[1]))
        let told = Mutex<[Recorder.Event]>([])
        try await loop.submit {
            let owner = Recorder(Connection(loop, own), reading: true)
            owner.onEnd = { [unowned owner] in told.withLock { $0 = owner.events } }
            try owner.connection.start(owner)
        }.get()
        let failed = Mutex(false)
        loop.scheduleTask(in: .hours(1)) {}.futureResult.whenFailure { _ in failed.withLock { $0 = true } }
        let done = Mutex(false)
        loop.execute { done.withLock { $0 = true } }
        await group.stop()
        #expect(done.withLock { $0 })
        #expect(failed.withLock { $0 })
        let rest = try await onThread { try peer.receiveSome() }
        #expect(rest.isEmpty)
        // Not an end that could be a message's.
        #expect(told.withLock { $0 } == [.failed])
    }

    @Test func `what is opened, asked and scheduled at the end ends too`() async throws {
        let group = try SocketLoopGroup(threads: 1)
        let loop = group.loops[0]
        var ends: [CInt] = [0, 0]
        try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0, &ends) == 0)
        let (own, peer) = (ends[0], RawSocket(ends[1]))
        let isDone = Mutex(false)
        let isFailed = Mutex(false)
        loop.execute {
            loop.stop {}
            // Done when what was open has been closed.
            loop.execute {
                loop.execute {
                    let owner = Recorder(Connection(loop, own), reading: true)
                    #expect(throws: Never.self) { try owner.connection.start(owner) }
                    owner.onEnd = {
                        let scheduled = loop.scheduleTask(in: .hours(1)) {}
                        scheduled.futureResult.whenFailure { _ in
                            isFailed.withLock { $0 = true }
                            loop.execute { isDone.withLock { $0 = true } }
                        }
                    }
                }
            }
        }
        let rest = try await onThread { try peer.receiveSome() }
        #expect(rest.isEmpty)
        await group.stop()
        #expect(isFailed.withLock { $0 })
        #expect(isDone.withLock { $0 })
    }

    @Test(.timeLimit(.minutes(1))) func `a group that has ended may be stopped again`() async throws {
        let group = try SocketLoopGroup(threads: 2)
        await group.stop()
        await group.stop()
        // Threads come and go, and their numbers with them.
        let former = group.loops
        let next = try SocketLoopGroup(threads: 2)
        for loop in next.loops {
            let isMistaken = try await loop.submit { former.contains { $0.inEventLoop } }.get()
            #expect(!isMistaken)
        }
        await next.stop()
    }

    @Test func `nothing is kept of a loop that has ended`() async throws {
        weak var loop: SocketLoop?
        do {
            let group = try SocketLoopGroup(threads: 1)
            loop = group.loops[0]
            loop?.scheduleTask(in: .hours(1)) {}
            loop?.scheduleRepeatedTask(initialDelay: .milliseconds(1), delay: .milliseconds(1)) { _ in }
            try await loop?.submit {}.get()
            await group.stop()
        }
        try await eventually("the loop is gone") { loop == nil }
    }

    @Test(arguments: [0, 65]) func `a group of too few or too many threads is refused`(threads: Int) {
        #expect(throws: RouterError.self) { try SocketLoopGroup(threads: threads) }
    }
}

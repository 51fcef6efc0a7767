import Foundation
import NIOCore
import Testing

@testable import Router

/// What handlers of NIO's rely on.
@Suite struct ConnectionChannelTests {
    /// Writes down what it is told.
    private final class Log: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var events: [String] = []
        var onRead: ((ChannelHandlerContext) -> Void)?

        func channelRegistered(context: ChannelHandlerContext) { events.append("registered") }
        func channelActive(context: ChannelHandlerContext) { events.append("active") }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            events.append("read \(unwrapInboundIn(data).readableBytes)")
            onRead?(context)
        }
        func channelReadComplete(context: ChannelHandlerContext) { events.append("readComplete") }
        func channelWritabilityChanged(context: ChannelHandlerContext) {
            events.append(context.channel.isWritable ? "writable" : "full")
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if let event = event as? ChannelEvent, event == .inputClosed { events.append("inputClosed") }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { events.append("error") }
        func channelInactive(context: ChannelHandlerContext) { events.append("inactive") }
        func channelUnregistered(context: ChannelHandlerContext) { events.append("unregistered") }
        func handlerRemoved(context: ChannelHandlerContext) { events.append("removed") }
    }

    private typealias Parts = NIOLoopBound<(channel: ConnectionChannel, log: Log)>

    private func withChannel(
        autoRead: Bool = true, _ body: (SocketLoop, Parts, RawSocket) async throws -> Void
    ) async throws {
        try await withLoop { loop in
            var ends: [CInt] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0, &ends) == 0)
            let (own, peer) = (ends[0], RawSocket(ends[1]))
            _ = fcntl(peer.descriptor, F_SETFL, 0)
            let parts = try await loop.submit {
                let connection = Connection(loop, own)
                let channel = ConnectionChannel(connection)
                let log = Log()
                try connection.start(channel)
                try channel.pipeline.syncOperations.addHandler(log)
                try channel.syncOptions?.setOption(.autoRead, value: autoRead)
                channel.activate()
                return NIOLoopBound((channel: channel, log: log), eventLoop: loop)
            }.get()
            try await body(loop, parts, peer)
        }
    }

    private func expect(
        _ loop: SocketLoop, _ parts: Parts, _ events: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        var told: [String] = []
        for _ in 0..<400 where told != events {
            try await Task.sleep(for: .milliseconds(5))
            told = try await loop.submit { parts.value.log.events }.get()
        }
        #expect(told == events, sourceLocation: sourceLocation)
    }

    @Test func `handlers are told in the order of NIO's channels`() async throws {
        try await withChannel { loop, parts, peer in
            try peer.send("abc")
            try await expect(loop, parts, ["registered", "active", "read 3", "readComplete"])
            peer.endOutput()
            let ended = ["registered", "active", "read 3", "readComplete", "readComplete", "inputClosed"]
            try await expect(loop, parts, ended)
            let closed = try await loop.submit { () -> EventLoopFuture<Void> in
                parts.value.channel.close(promise: nil)
                return parts.value.channel.closeFuture
            }.get()
            try await closed.get()
            try await expect(loop, parts, ended + ["inactive", "unregistered", "removed"])
        }
    }

    @Test func `nothing is read that no handler has asked for`() async throws {
        try await withChannel(autoRead: false) { loop, parts, peer in
            try peer.send("abc")
            try await Task.sleep(for: .milliseconds(30))
            try await expect(loop, parts, ["registered", "active"])
            try await loop.submit { parts.value.channel.pipeline.read() }.get()
            try await expect(loop, parts, ["registered", "active", "read 3", "readComplete"])
            try peer.send("de")
            try await Task.sleep(for: .milliseconds(30))
            try await expect(loop, parts, ["registered", "active", "read 3", "readComplete"])
            try await loop.submit { try parts.value.channel.syncOptions?.setOption(.autoRead, value: true) }.get()
            try await expect(
                loop, parts, ["registered", "active", "read 3", "readComplete", "read 2", "readComplete"])
        }
    }

    @Test func `a handler may close in the middle of what it is told`() async throws {
        try await withChannel { loop, parts, peer in
            try await loop.submit {
                parts.value.log.onRead = { context in
                    context.close(promise: nil)
                    parts.value.log.events.append("still there")
                }
            }.get()
            try peer.send("abc")
            try await expect(
                loop, parts,
                ["registered", "active", "read 3", "inactive", "unregistered", "still there", "removed"])
        }
    }

    @Test func `writability is told of, and the end of output comes behind what waits`() async throws {
        try await withChannel { loop, parts, peer in
            let written = try await loop.submit { () -> EventLoopFuture<Void> in
                let channel = parts.value.channel
                let future = channel.writeAndFlush(ByteBuffer(repeating: 1, count: 2_000_000))
                channel.close(mode: .output, promise: nil)
                return future
            }.get()
            try await expect(loop, parts, ["registered", "active", "full"])
            let count = try await onThread { try peer.receiveAll().utf8.count }
            #expect(count == 2_000_000)
            try await written.get()
            try await expect(loop, parts, ["registered", "active", "full", "writable"])
        }
    }

    @Test func `one that a handler has closed before does not become active`() async throws {
        try await withLoop { (loop: SocketLoop) async throws in
            var ends: [CInt] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK, 0, &ends) == 0)
            let (own, peer) = (ends[0], RawSocket(ends[1]))
            let told = try await loop.submit {
                let connection = Connection(loop, own)
                let channel = ConnectionChannel(connection)
                let log = Log()
                try connection.start(channel)
                try channel.pipeline.syncOperations.addHandler(log)
                channel.close(promise: nil)
                channel.activate()
                return log.events
            }.get()
            #expect(told.isEmpty)
            withExtendedLifetime(peer) {}
        }
    }
}

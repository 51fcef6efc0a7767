import NIOCore
import NIOPosix
import Synchronization

@testable import Deployer

/// A name server on loopback, UDP and TCP, that knows a few IPv4 addresses.
final class FakeNameServer: Sendable {
    let port: Int
    private let channels: [any Channel]
    private let asked: Log

    private final class Log: Sendable {
        let names = Mutex<[String]>([])
    }

    /// The names asked for so far.
    var questions: [String] { asked.names.withLock { $0 } }

    private init(port: Int, channels: [any Channel], asked: Log) {
        self.port = port
        self.channels = channels
        self.asked = asked
    }

    /// Answers with `names`; those under `big.` only over TCP, those under `silent.` never.
    static func with(_ names: [String: String], _ body: (FakeNameServer) async throws -> Void) async throws {
        let asked = Log()
        let group = MultiThreadedEventLoopGroup.singleton
        let tcp = try await ServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(StreamHandler(names: names, asked: asked))
            }
        }.bind(host: "127.0.0.1", port: 0).get()
        let port = tcp.localAddress?.port ?? 0
        let udp = try await DatagramBootstrap(group: group).channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(DatagramHandler(names: names, asked: asked))
            }
        }.bind(host: "127.0.0.1", port: port).get()
        let server = FakeNameServer(port: port, channels: [tcp, udp], asked: asked)
        do {
            try await body(server)
        } catch {
            for channel in server.channels { try? await channel.close() }
            throw error
        }
        for channel in server.channels { try? await channel.close() }
    }

    private static func answer(_ query: [UInt8], _ names: [String: String], _ asked: Log, truncates: Bool) -> [UInt8]? {
        guard let message = DNSMessage(query), let question = message.question else { return nil }
        var labels: [String] = []
        var rest = question
        while let length = rest.popFirst(), length > 0 {
            labels.append(String(decoding: rest.prefix(Int(length)), as: UTF8.self))
            rest = rest.dropFirst(Int(length))
        }
        let name = labels.joined(separator: ".")
        asked.names.withLock { $0.append(name) }
        if name.hasPrefix("silent.") { return nil }
        let truncated = truncates && name.hasPrefix("big.")
        let isAddress = Array(rest.prefix(2)) == [0, 1]
        let address = names[name].map { $0.split(separator: ".").compactMap { UInt8($0) } }
        let hasAnswer = isAddress && address != nil && !truncated
        var bytes = Array(query[0..<2])
        bytes += [truncated ? 0x87 : 0x85, address == nil ? 0x83 : 0x80, 0, 1, 0, hasAnswer ? 1 : 0, 0, 0, 0, 0]
        bytes += question
        if hasAnswer { bytes += [0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4] + (address ?? []) }
        return bytes
    }

    private final class DatagramHandler: ChannelInboundHandler {
        typealias InboundIn = AddressedEnvelope<ByteBuffer>
        typealias OutboundOut = AddressedEnvelope<ByteBuffer>
        let names: [String: String]
        let asked: Log

        init(names: [String: String], asked: Log) {
            self.names = names
            self.asked = asked
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let envelope = unwrapInboundIn(data)
            guard let bytes = answer(Array(envelope.data.readableBytesView), names, asked, truncates: true) else {
                return
            }
            let reply = AddressedEnvelope(remoteAddress: envelope.remoteAddress, data: ByteBuffer(bytes: bytes))
            context.writeAndFlush(wrapOutboundOut(reply), promise: nil)
        }
    }

    private final class StreamHandler: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        let names: [String: String]
        let asked: Log

        init(names: [String: String], asked: Log) {
            self.names = names
            self.asked = asked
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let bytes = Array(unwrapInboundIn(data).readableBytesView)
            guard bytes.count > 2, let reply = answer(Array(bytes.dropFirst(2)), names, asked, truncates: false) else {
                return
            }
            let length = [UInt8(reply.count >> 8), UInt8(reply.count & 255)]
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: length + reply)), promise: nil)
        }
    }
}

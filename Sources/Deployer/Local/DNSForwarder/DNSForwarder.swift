import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Instances' only name server: passes their queries on to the host's, and the answers back.
///
/// UDP and TCP on the same port of one address that only instances reach. Each query goes out from a socket of its own, so that an
/// answer can be forged only by guessing its port and number (RFC 5452). Nothing is cached.
final class DNSForwarder: Sendable {
    /// The bounds of what it does at a time.
    struct Limits: Sendable {
        var datagrams = DNSAdmission(perClient: 64, overall: 1024)
        var connections = DNSAdmission(perClient: 4, overall: 64)
        /// How long one server may take to answer.
        var answer: Duration = .seconds(2)
        /// How long a TCP connection may last.
        var connection: Duration = .seconds(10)
    }

    typealias Datagrams = NIOAsyncChannel<AddressedEnvelope<ByteBuffer>, AddressedEnvelope<ByteBuffer>>
    typealias Stream = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    /// Where it listens, UDP and TCP.
    let port: Int
    private let datagrams: Datagrams
    private let connections: NIOAsyncChannel<Stream, Never>
    private let service: Mutex<Task<Void, Never>?>

    /// Listens on `address`, on a port that the kernel chooses (or `port`), and serves until ``stop()``. `servers` is asked for each query.
    init(
        address: String, port: Int = 0, limits: Limits = Limits(), logger: Logger,
        servers: @escaping @Sendable () -> NameServers
    ) async throws(DeployerError) {
        do {
            let group = MultiThreadedEventLoopGroup.singleton
            connections = try await ServerBootstrap(group: group)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: address, port: port) { channel in
                    channel.eventLoop.makeCompletedFuture { try Stream(wrappingChannelSynchronously: channel) }
                }
            let chosen = connections.channel.localAddress?.port ?? port
            datagrams = try await DatagramBootstrap(group: group)
                .channelOption(
                    .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: DNSMessage.largestDatagram)
                )
                .bind(host: address, port: chosen)
                .flatMapThrowing { try Datagrams(wrappingChannelSynchronously: $0) }.get()
            self.port = chosen
        } catch {
            throw DeployerError(.network, "The name server for functions cannot listen on \(address).", error)
        }
        let (datagrams, connections) = (datagrams, connections)
        service = Mutex(
            Task {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask {
                        await Self.logged("datagrams", logger) {
                            try await DNSDatagramService(channel: datagrams, limits: limits, servers: servers).run()
                        }
                    }
                    group.addTask {
                        await Self.logged("connections", logger) {
                            try await DNSStreamService(listener: connections, limits: limits, servers: servers).run()
                        }
                    }
                }
            })
    }

    /// Stops listening; returns when nothing of it is left.
    func stop() async {
        let task = service.withLock { service in
            defer { service = nil }
            return service
        }
        task?.cancel()
        await task?.value
    }

    private static func logged(_ part: String, _ logger: Logger, _ body: @Sendable () async throws -> Void) async {
        do {
            try await body()
        } catch is CancellationError {
            return
        } catch {
            logger.error("the name server for functions stopped", metadata: ["part": "\(part)", "error": "\(error)"])
        }
    }
}

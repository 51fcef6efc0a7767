import NIOCore
import NIOPosix
import Synchronization

/// Forwards queries that come as datagrams.
struct DNSDatagramService: Sendable {
    let channel: DNSForwarder.Datagrams
    let limits: DNSForwarder.Limits
    let servers: @Sendable () -> NameServers

    /// Serves until cancelled.
    func run() async throws {
        let admission = Admission(limits.datagrams)
        try await channel.executeThenClose { inbound, outbound in
            try await withThrowingDiscardingTaskGroup { group in
                for try await envelope in inbound {
                    let client = envelope.remoteAddress
                    guard let query = DNSMessage(Array(envelope.data.readableBytesView)), !query.isResponse,
                        query.question != nil, admission.admit(client.ipAddress ?? "")
                    else { continue }
                    group.addTask {
                        defer { admission.finish(client.ipAddress ?? "") }
                        let answer = await answer(to: query)
                        try? await outbound.write(
                            AddressedEnvelope(remoteAddress: client, data: ByteBuffer(bytes: answer)))
                    }
                }
            }
        }
    }

    private func answer(to query: DNSMessage) async -> [UInt8] {
        for server in servers().addresses {
            if let answer = try? await ask(server, query) { return answer.bytes }
            if Task.isCancelled { break }
        }
        return query.failure
    }

    /// The answer of `server`; throws when there is none in time.
    private func ask(_ server: SocketAddress, _ query: DNSMessage) async throws -> DNSMessage {
        let channel = try await DatagramBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(
                .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: DNSMessage.largestDatagram)
            )
            .connect(to: server)
            .flatMapThrowing { try DNSForwarder.Datagrams(wrappingChannelSynchronously: $0) }.get()
        return try await channel.executeThenClose { inbound, outbound in
            try await Deadline.run(limits.answer) {
                try await outbound.write(
                    AddressedEnvelope(remoteAddress: server, data: ByteBuffer(bytes: query.bytes)))
                for try await envelope in inbound {
                    if let answer = DNSMessage(Array(envelope.data.readableBytesView)), answer.answers(query) {
                        return answer
                    }
                }
                throw ChannelError.eof
            }
        }
    }
}

/// ``DNSAdmission`` for several tasks.
final class Admission: Sendable {
    private let state: Mutex<DNSAdmission>

    init(_ admission: DNSAdmission) { state = Mutex(admission) }

    func admit(_ client: String) -> Bool { state.withLock { $0.admit(client) } }

    func finish(_ client: String) { state.withLock { $0.finish(client) } }
}

import NIOCore
import NIOPosix

/// Forwards queries that come over TCP (RFC 7766): joins each connection with one to a name server, byte for byte.
struct DNSStreamService: Sendable {
    let listener: NIOAsyncChannel<DNSForwarder.Stream, Never>
    let limits: DNSForwarder.Limits
    let servers: @Sendable () -> NameServers

    /// Serves until cancelled.
    func run() async throws {
        let admission = Admission(limits.connections)
        try await listener.executeThenClose { inbound in
            try await withThrowingDiscardingTaskGroup { group in
                for try await connection in inbound {
                    let client = connection.channel.remoteAddress?.ipAddress ?? ""
                    guard admission.admit(client) else {
                        try? await connection.channel.close().get()
                        continue
                    }
                    group.addTask {
                        defer { admission.finish(client) }
                        try? await Deadline.run(limits.connection) { try await serve(connection) }
                    }
                }
            }
        }
    }

    private func serve(_ client: DNSForwarder.Stream) async throws {
        try await client.executeThenClose { fromClient, toClient in
            let server = try await connect()
            try await server.executeThenClose { fromServer, toServer in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask {
                        for try await bytes in fromClient { try await toServer.write(bytes) }
                        toServer.finish()
                    }
                    group.addTask {
                        for try await bytes in fromServer { try await toClient.write(bytes) }
                    }
                    // When either side has closed, there is nothing left to say.
                    try await group.next()
                    group.cancelAll()
                }
            }
        }
    }

    private func connect() async throws -> DNSForwarder.Stream {
        var failure: any Error = ChannelError.eof
        for server in servers().addresses {
            do {
                return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                    .connectTimeout(.milliseconds(limits.answer.milliseconds))
                    .connect(to: server) { channel in
                        channel.eventLoop.makeCompletedFuture {
                            try DNSForwarder.Stream(wrappingChannelSynchronously: channel)
                        }
                    }
            } catch { failure = error }
        }
        throw failure
    }
}

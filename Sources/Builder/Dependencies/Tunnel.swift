import Contract
import NIOCore
import NIOPosix
import Transfer

/// Connections to the outside for the process that resolves imports, which has no network of its own.
///
/// The Builder dials and carries the bytes over to the checker's container as the two bodies of a `POST /tunnel`. So the
/// container needs no way out, not even a socket: whoever breaks out of the resolver has nothing to connect to, and every
/// connection belongs to a build that waits for it and ends with it.
struct Tunnel: Sendable {
    /// How long a connection may take to be established.
    private static let patience = TimeAmount.seconds(10)

    let client: HTTPClient
    let checker: Endpoint
    let policy: DialPolicy
    let ledger: ConnectionLedger

    /// Connects to `host` and carries bytes until either side ends. Failures are told to the resolver, and noted.
    func carry(_ id: Int, _ host: String, _ port: Int) async {
        guard ledger.enter() else { return await refuse(id, "Too many connections, or too many bytes.") }
        defer { ledger.leave() }
        let channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>
        do {
            channel = try await dial(host, port)
        } catch let failure as Unreachable {
            ledger.note(failure.reason, host: host, port: port)
            return await refuse(id, failure.sentence)
        } catch {
            return await refuse(id, "The connection failed.")
        }
        // An end in the middle is for Deno to notice and report.
        try? await exchange(id, channel)
    }

    private struct Unreachable: Error {
        let reason: ConnectionLedger.Failure

        var sentence: String {
            switch reason {
            case .refused(let text), .unknown(let text), .unreachable(let text): text
            }
        }
    }

    private func dial(_ host: String, _ port: Int) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        let verdict = policy.verdict(host, port)
        if case .refused(let sentence) = verdict { throw Unreachable(reason: .refused(sentence)) }
        let targets = try await HostAddresses.resolve(host, port: port)
        guard !targets.isEmpty else { throw Unreachable(reason: .unknown("There is no host named \(host).")) }
        let permitted = targets.filter { policy.permits($0.address, verdict) }
        guard !permitted.isEmpty else {
            throw Unreachable(
                reason: .refused(
                    "\(host) is not on the public internet. The operator of this platform can allow imports from it with "
                        + "--allow-import \(HostRule(host: host, port: port))."))
        }
        for target in permitted {
            if let channel = try? await connect(target.socketAddress) { return channel }
            try Task.checkCancellation()
        }
        throw Unreachable(reason: .unreachable("\(host) does not accept connections on port \(port)."))
    }

    private func connect(_ address: SocketAddress) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(Self.patience)
            .connect(to: address) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
    }

    private func exchange(_ id: Int, _ channel: NIOAsyncChannel<ByteBuffer, ByteBuffer>) async throws {
        let ledger = ledger
        try await channel.executeThenClose { inbound, outbound in
            let incoming = inbound.map { buffer in
                try ledger.receive(buffer.readableBytes)
                return Array(buffer.readableBytesView)
            }
            let answer = try await client.execute(request(id, query: "", body: .stream(incoming)))
            guard answer.status == 200 else { return }
            for try await bytes in answer.body { try await outbound.write(ByteBuffer(bytes: bytes)) }
        }
    }

    private func refuse(_ id: Int, _ sentence: String) async {
        let text = sentence.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        _ = try? await client.collect(request(id, query: "&error=\(text)", body: .none), limit: 1 << 16)
    }

    private func request(_ id: Int, query: String, body: RequestBody) -> ClientRequest {
        ClientRequest(
            .post, checker.address.url("/tunnel?id=\(id)\(query)"), socket: checker.address.socket, body: body,
            timeouts: Timeouts(connect: .seconds(2), total: nil, idle: nil))
    }
}

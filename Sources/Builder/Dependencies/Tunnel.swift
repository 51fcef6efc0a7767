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
    /// How long a name may take to be looked up, and then a connection to be established.
    private static let patience = TimeAmount.seconds(10)

    let client: HTTPClient
    let checker: Endpoint
    let policy: DialPolicy
    /// Most seconds that a host may let a request wait.
    let silence: Int
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
        ledger.opened(id, channel.channel)
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
        // Deno asks again, and again for the next module: what did not work a moment ago need not be waited for twice.
        if let earlier = ledger.failure(host: host, port: port) { throw Unreachable(reason: earlier) }
        let targets = try await addresses(host, port)
        let permitted = targets.filter { policy.permits($0.address, verdict) }
        guard !permitted.isEmpty else {
            throw Unreachable(
                reason: .refused(
                    "\(host) is not on the public internet. The operator of this platform can allow imports from it with "
                        + "--allow-import \(HostRule(host: host, port: port))."))
        }
        let deadline = NIODeadline.now() + Self.patience
        for target in permitted where NIODeadline.now() < deadline {
            if let channel = try? await connect(target.socketAddress, host, port, by: deadline) { return channel }
            try Task.checkCancellation()
        }
        let isRefused = NIODeadline.now() < deadline
        throw Unreachable(
            reason: .unreachable(
                isRefused
                    ? "\(host) does not accept connections on port \(port)."
                    : "\(host) does not answer on port \(port)."))
    }

    private func addresses(_ host: String, _ port: Int) async throws -> [HostAddresses.Target] {
        switch try await HostAddresses.resolve(host, port: port, within: Self.patience) {
        case .found(let targets): return targets
        case .unknown: throw Unreachable(reason: .unknown("There is no host named \(host)."))
        case .failed:
            throw Unreachable(
                reason: .unreachable("The name \(host) cannot be looked up: the name servers do not answer."))
        }
    }

    private func connect(
        _ address: SocketAddress, _ host: String, _ port: Int, by deadline: NIODeadline
    ) async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        let (ledger, silence) = (ledger, silence)
        return try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(deadline - .now())
            .connect(to: address) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let limit = TimeAmount.seconds(Int64(silence))
                    let watch = SilenceWatch(limit: limit) {
                        let sentence =
                            "\(host) did not answer on port \(port) within \(silence) seconds (--import-timeout)."
                        ledger.note(.unreachable(sentence), host: host, port: port)
                    }
                    try channel.pipeline.syncOperations.addHandlers(IdleStateHandler(readTimeout: limit), watch)
                    return try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
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

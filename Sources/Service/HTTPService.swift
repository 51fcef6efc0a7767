import Contract
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix

/// Where a role listens.
package enum ListenAddress: Hashable, Sendable {
    /// A unix socket; a stale one at the path is replaced. Mode 0600.
    case unix(path: String)
    /// TCP; port 0 lets the kernel choose.
    case tcp(host: String, port: Int)
}

/// The HTTP/1.1 server of the Builder and the Deployer: a thin layer between NIO's codec and an async handler.
///
/// It is for the calls between roles and for management, not for the data plane: one task per connection, handlers in order. A handler
/// goes on when its client leaves: what a deploy has begun is finished or rolled back, never abandoned. Calls other
/// than `/healthz` and `/readyz` need the internal token.
package struct HTTPService: Sendable {
    /// Answers a request; a thrown ``Problem`` becomes its answer, any other error a 500 with the request's id.
    package typealias Handler = @Sendable (ServiceRequest) async throws -> ServiceResponse

    /// Bytes of an unread body that are dropped to keep the connection; with more left it is closed.
    package static let drainLimit = 256 << 10

    private let token: String
    private let logger: Logger
    private let handler: Handler

    /// A service that demands `Authorization: Bearer <token>`.
    package init(token: String, logger: Logger, handler: @escaping Handler) {
        self.token = token
        self.logger = logger
        self.handler = handler
    }

    /// Serves until the task is cancelled, then stops accepting and lets running requests end.
    ///
    /// `onListening` is called with the bound port (0 for unix sockets) once connections are accepted.
    package func run(
        on address: ListenAddress, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        onListening: @Sendable (Int) -> Void = { _ in }
    ) async throws {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // Nothing is read before somebody serves the connection.
            .childChannelOption(.autoRead, value: false)
        let unserved = UnservedChannels()
        let initialize: @Sendable (any Channel) -> EventLoopFuture<any Channel> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                unserved.insert(channel)
                return channel
            }
        }
        let server: NIOAsyncChannel<any Channel, Never> =
            switch address {
            case .unix(let path):
                try await bootstrap.bind(
                    unixDomainSocketPath: path, cleanupExistingSocketFile: true, childChannelInitializer: initialize)
            case .tcp(let host, let port):
                try await bootstrap.bind(host: host, port: port, childChannelInitializer: initialize)
            }
        if case .unix(let path) = address { try SocketFile.restrict(path) }
        onListening(server.channel.localAddress?.port ?? 0)
        // What was accepted and not served any more, because the service stops.
        defer { unserved.close() }
        try await server.executeThenClose { channels in
            try await withThrowingDiscardingTaskGroup { group in
                for try await channel in channels {
                    unserved.remove(channel)
                    group.addTask { await serve(channel) }
                }
            }
        }
    }

    private typealias Connection = NIOAsyncChannel<HTTPServerRequestPart, HTTPServerResponsePart>

    private func serve(_ channel: any Channel) async {
        do {
            // Only here: an asynchronous channel that nobody consumes ends the process.
            let connection = try await channel.eventLoop.submit {
                try Connection(wrappingChannelSynchronously: channel)
            }.get()
            try await channel.setOption(.autoRead, value: true).get()
            try await connection.executeThenClose { inbound, outbound in
                var iterator = inbound.makeAsyncIterator()
                while case .head(let head)? = try await iterator.next() {
                    let body = RequestBody(iterator, onFirstRead: interim(for: head, outbound))
                    guard try await answer(head, body, outbound, connection.channel) else { return }
                }
            }
        } catch {
            channel.close(promise: nil)
            logger.debug("connection ended", metadata: ["error": "\(error)"])
        }
    }

    /// A `100 Continue` as soon as the handler wants the body (RFC 9110 §10.1.1).
    private func interim(
        for head: HTTPRequestHead, _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>
    ) -> (@Sendable () async throws -> Void)? {
        guard head.headers.first(name: "Expect")?.lowercased() == "100-continue" else { return nil }
        let version = head.version
        return { try await outbound.write(.head(HTTPResponseHead(version: version, status: .continue))) }
    }

    /// Answers one request; `false` when the connection must be closed.
    private func answer(
        _ head: HTTPRequestHead, _ body: RequestBody, _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>,
        _ channel: any Channel
    ) async throws -> Bool {
        let started = ContinuousClock.now
        var requestID = ""
        let response: ServiceResponse
        do {
            let request = try ServiceRequest(head: head, body: body)
            requestID = request.id
            try authorize(request)
            response = try await handler(request)
        } catch var problem as Problem {
            problem.requestId = requestID
            response = .problem(problem)
        } catch {
            logger.error("request failed", metadata: ["requestId": "\(requestID)", "error": "\(error)"])
            var problem = Problem(
                "internal", 500, "Internal error",
                "Something inside Kiln failed; the log has the reason under this request id.")
            problem.requestId = requestID
            response = .problem(problem)
        }
        let whole = try await body.drain(upTo: Self.drainLimit)
        let keep = whole && head.isKeepAlive
        try await send(response, requestID, head, keep: keep, outbound, channel)
        let elapsed = started.duration(to: .now)
        let isInternal = head.uri.hasPrefix("/internal/") || head.uri == "/healthz" || head.uri == "/readyz"
        logger.log(
            level: isInternal ? .trace : .info, "request",
            metadata: [
                "requestId": "\(requestID)", "method": "\(head.method)",
                "path": "\(head.uri.prefix { $0 != "?" }.prefix(200))", "status": "\(response.status)",
                "ms": "\((elapsed / .microseconds(100)).rounded() / 10)",
            ])
        return keep
    }

    private func authorize(_ request: ServiceRequest) throws(Problem) {
        if ["healthz", "readyz"].contains(request.path.first) { return }
        guard let value = request.headers.first(name: "Authorization"), ConstantTime.equal(value, "Bearer " + token)
        else {
            throw Problem(
                "unauthorized", 401, "Unauthorized", "This call is for Kiln's own parts and needs their token.")
        }
    }

    private func send(
        _ response: ServiceResponse, _ requestID: String, _ request: HTTPRequestHead, keep: Bool,
        _ outbound: NIOAsyncChannelOutboundWriter<HTTPServerResponsePart>, _ channel: any Channel
    ) async throws {
        var head = HTTPResponseHead(version: .http1_1, status: HTTPResponseStatus(statusCode: response.status))
        for (name, value) in response.headers { head.headers.add(name: name, value: value) }
        head.headers.replaceOrAdd(name: "X-Request-Id", value: requestID)
        if !keep { head.headers.replaceOrAdd(name: "Connection", value: "close") }
        switch response.body {
        case .bytes(let bytes):
            head.headers.replaceOrAdd(name: "Content-Length", value: String(bytes.count))
            var parts: [HTTPServerResponsePart] = [.head(head)]
            if request.method != .HEAD { parts.append(.body(.byteBuffer(ByteBuffer(bytes: bytes)))) }
            try await outbound.write(contentsOf: parts)
        case .stream(let write):
            try await outbound.write(.head(head))
            try await untilClosed(channel) { try await write(ResponseWriter(outbound: outbound)) }
        }
        // What is written waits in the channel; to close it before all has left would cut the answer off. This is fulfilled then.
        try await channel.writeAndFlush(HTTPServerResponsePart.end(nil)).get()
    }

    /// Runs `body` and cancels it as soon as the peer has gone: a stream may have nothing to send for hours, and would not notice.
    private func untilClosed(_ channel: any Channel, _ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            let watch = channel.closeFuture
            group.addTask {
                let (closed, signal) = AsyncStream.makeStream(of: Void.self)
                watch.whenComplete { _ in signal.finish() }
                for await _ in closed {}
            }
            try await group.next()
            group.cancelAll()
        }
    }
}

/// Comparison that takes the same time wherever two texts differ.
package enum ConstantTime {
    /// Whether the two are equal; the time depends on the lengths only.
    package static func equal(_ left: String, _ right: String) -> Bool {
        let (left, right) = (Array(left.utf8), Array(right.utf8))
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(into: UInt8(0)) { $0 |= $1.0 ^ $1.1 } == 0
    }
}

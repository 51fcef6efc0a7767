import Logging
import NIOCore
import NIOHPACK
import NIOHTTP2
import NIOSSL

/// A client connection that speaks HTTP/2: begins its requests, each with a ``ClientHandler`` of its own, and ends it when nothing moves on it
/// or the Router stops.
final class HTTP2Connection: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    private enum Phase {
        case open
        /// The client has been told to begin no more requests; those on their way are still taken.
        case leaving
        /// No more requests are taken.
        case ending
        /// Everything is written; the client is waited for to close.
        case lingering
    }

    /// GOAWAY without an error, for the largest possible stream.
    private static let leave = ByteBuffer(bytes: [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0])

    let worker: Worker
    private let client: ClientIdentity
    private var former: (any ClientConnection)?
    private var phase = Phase.open
    private var streams: [ObjectIdentifier: ClientHandler] = [:]
    private var lastStream = HTTP2StreamID.rootStream
    private var slot: DeadlineTable.Slot?
    private var context: ChannelHandlerContext?

    private init(_ worker: Worker, _ client: ClientIdentity, succeeding former: any ClientConnection) {
        self.worker = worker
        self.client = client
        self.former = former
    }

    /// Puts what speaks HTTP/2 at the end of a pipeline, in the place of `former`.
    static func install(
        _ pipeline: ChannelPipeline.SynchronousOperations, _ worker: Worker, _ client: ClientIdentity,
        succeeding former: any ClientConnection
    ) throws {
        let connection = HTTP2Connection(worker, client.speaking(.http2), succeeding: former)
        let limits = worker.settings.configuration.limits
        let bound = NIOLoopBound(connection, eventLoop: worker.eventLoop)
        let frames = NIOHTTP2Handler(
            mode: .server, eventLoop: worker.eventLoop,
            connectionConfiguration: limits.http2.connection(head: limits.headBytes),
            streamConfiguration: limits.http2.stream
        ) { channel in
            channel.eventLoop.makeCompletedFuture { try bound.value.open(channel) }
        }
        try pipeline.addHandlers([FrameGate(connection, limits.http2), frames, connection])
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        _ = worker.admit(self, succeeding: former)
        former = nil
        worker.counters.totals.http2Connections += 1
        slot = worker.deadlines.insert(self)
        wait(worker.settings.timeouts.head)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        if let slot { worker.deadlines.remove(slot) }
        slot = nil
        self.context = nil
        worker.leave(self)
    }

    // MARK: Requests

    private func open(_ channel: any Channel) throws {
        if let id = try channel.syncOptions?.getOption(HTTP2StreamChannelOptions.streamID) { lastStream = id }
        let pipeline = channel.pipeline.syncOperations
        // A client may not have read yet how many it may have; one that is refused so can be sent again (RFC 9113, 5.1.2 and 8.7).
        guard streams.count < worker.settings.configuration.limits.http2.streams else {
            return try pipeline.addHandler(StreamHandler(self, refused: true))
        }
        worker.counters.totals.http2Streams += 1
        let frames = StreamHandler(self)
        let handler = ClientHandler(worker, client, admission: .stream)
        streams[ObjectIdentifier(frames)] = handler
        if let slot, phase == .open { worker.setDeadline(slot, .distantFuture) }
        try pipeline.addHandlers([frames, ChannelWire(handler)])
    }

    /// A request is over.
    func closed(_ stream: ObjectIdentifier) {
        guard streams.removeValue(forKey: stream) != nil, streams.isEmpty else { return }
        switch phase {
        case .open: wait(worker.settings.timeouts.idle)
        case .ending: linger()
        case .leaving, .lingering: break
        }
    }

    /// A request was not well-formed.
    func malformed(_ fault: StreamRequest.Fault) {
        worker.counters.refused(.malformedRequest)
        worker.log(.debug, "malformed request") {
            ["client": "\(String(buffer: client.address))", "error": "\(fault.rawValue)"]
        }
    }

    // MARK: The connection

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What concerns the whole connection is NIOHTTP2Handler's to answer.
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Without its half a client can't give leave to send: it is gone.
        if let event = event as? ChannelEvent, event == .inputClosed { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !(error is NIOSSLError), !(error is IOError), !(error is ChannelError) else {
            return context.close(promise: nil)
        }
        let ends = !ConnectionFault.isOfStream(error)
        worker.counters.totals.http2Faults[ends ? .connection : .stream, default: 0] += 1
        worker.log(.debug, ends ? "HTTP/2 connection broken off" : "HTTP/2 request refused") {
            ["client": "\(String(buffer: client.address))", "error": "\(error)"]
        }
        // The client has been sent the reason.
        if ends { breakOff() }
    }

    /// The client sends frames that nothing asks for.
    func overrun() {
        worker.counters.totals.http2Faults[.connection, default: 0] += 1
        worker.log(.debug, "HTTP/2 connection broken off") {
            ["client": "\(String(buffer: client.address))", "error": "too many WINDOW_UPDATE frames"]
        }
        goAway(lastStream, .enhanceYourCalm)
        breakOff()
    }

    /// Ends the connection and its requests. What the client sends on is not read.
    private func breakOff() {
        guard let context, phase != .lingering else { return }
        phase = .lingering
        try? context.channel.syncOptions?.setOption(.autoRead, value: false)
        context.close(mode: .output, promise: nil)
        wait(worker.settings.timeouts.linger)
        for stream in Array(streams.values) { stream.close() }
    }

    private func wait(_ time: TimeAmount) {
        if let slot { worker.setDeadline(slot, .now() + time) }
    }

    /// Says which request is the last one that is taken; that is all of them, when the client has been told before.
    private func goAway(
        _ last: HTTP2StreamID, _ code: HTTP2ErrorCode = .noError, then promise: EventLoopPromise<Void>? = nil
    ) {
        let frame = HTTP2Frame(
            streamID: .rootStream, payload: .goAway(lastStreamID: last, errorCode: code, opaqueData: nil))
        context?.writeAndFlush(wrapOutboundOut(frame), promise: promise)
    }

    private func end() {
        phase = .ending
        if streams.isEmpty { return linger() }
        goAway(lastStream)
        // From here on each request has its own time.
        if let slot { worker.setDeadline(slot, .distantFuture) }
    }

    /// Closes when all that is written has left.
    private func linger() {
        guard let context else { return }
        phase = .lingering
        wait(worker.settings.timeouts.stream)
        let promise = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        promise.futureResult.whenComplete { _ in
            let connection = bound.value
            connection.wait(connection.worker.settings.timeouts.linger)
            connection.context?.close(mode: .output, promise: nil)
        }
        goAway(lastStream, then: promise)
    }
}

extension HTTP2Connection: DeadlineOwner {
    func deadlineExpired(at now: NIODeadline) {
        switch phase {
        case .open, .leaving: end()
        case .ending: break
        case .lingering: context?.closeBelowTLS()
        }
    }
}

extension HTTP2Connection: ClientConnection {
    func identify(_ address: SocketAddress) {}

    func refuseWithoutProxyHeader() {}

    func drainBegan() {
        guard phase == .open else { return }
        phase = .leaving
        // Requests that the client has sent before it reads this are taken (RFC 9113, 6.8). NIOHTTP2Handler isn't told, for it would
        // refuse them.
        let frames = try? context?.pipeline.syncOperations.context(handlerType: NIOHTTP2Handler.self)
        frames?.writeAndFlush(NIOAny(Self.leave), promise: nil)
        wait(worker.settings.timeouts.drainIdle)
    }

    func stop(tunnelsToo: Bool) {
        for stream in Array(streams.values) { stream.stop(tunnelsToo: true) }
        context?.closeBelowTLS()
    }
}

import NIOCore

/// A ``Connection`` as a channel of NIO's, for what is made of NIO's handlers: TLS and HTTP/2.
///
/// `@unchecked Sendable`: NIO's protocol asks for it. The two futures' types are safe for any thread; everything else is touched on the loop's own thread
/// only, by the handlers, which run there.
final class ConnectionChannel: Channel, @unchecked Sendable {
    private let connection: Connection
    private let loop: SocketLoop
    private let closed: EventLoopPromise<Void>
    private var line: ChannelPipeline?
    private var isReadPending = false
    private var autoRead = true
    private(set) var isActive = false
    let remoteAddress: SocketAddress?
    let localAddress: SocketAddress?

    /// A channel over `connection`; nothing is read before ``activate()``.
    init(_ connection: Connection) {
        self.connection = connection
        loop = connection.loop
        closed = connection.loop.makePromise(of: Void.self)
        remoteAddress = connection.remoteAddress
        localAddress = connection.localAddress
    }

    // One that has never begun is not told of an end.
    deinit { closed.succeed() }

    /// Tells the handlers that they are connected, unless one of them has closed already. Who has read from `connection` before hands it over by ``Connection/owner``; others call
    /// ``Connection/start(_:)``.
    func activate() {
        guard connection.isOpen else { return }
        pipeline.syncOperations.fireChannelRegistered()
        isActive = true
        pipeline.syncOperations.fireChannelActive()
        readIfAutomatic()
    }

    var allocator: ByteBufferAllocator { loop.allocator }
    var closeFuture: EventLoopFuture<Void> { closed.futureResult }
    var parent: (any Channel)? { nil }
    var isWritable: Bool { connection.isWritable }
    var eventLoop: any EventLoop { loop }
    var _channelCore: any ChannelCore { self }
    var syncOptions: (any NIOSynchronousChannelOptions)? { Options(channel: self) }

    // Made when it is first asked for: it refers to the channel.
    var pipeline: ChannelPipeline {
        if let line { return line }
        let made = ChannelPipeline(channel: self)
        line = made
        return made
    }

    private func readIfAutomatic() { if autoRead, isActive { pipeline.syncOperations.read() } }

    /// Closes such that no peer takes it for an orderly end.
    func reset() { connection.reset() }

    // MARK: Options

    private struct Options: NIOSynchronousChannelOptions {
        let channel: ConnectionChannel

        func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
            guard option is ChannelOptions.Types.AutoReadOption, let value = value as? Bool else {
                throw ChannelError.operationUnsupported
            }
            let before = channel.autoRead
            channel.autoRead = value
            if value, !before { channel.readIfAutomatic() }
        }

        func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
            let value: Any =
                switch option {
                case is ChannelOptions.Types.AutoReadOption: channel.autoRead
                case is ChannelOptions.Types.AllowRemoteHalfClosureOption: true
                default: throw ChannelError.operationUnsupported
                }
            guard let value = value as? Option.Value else { throw ChannelError.operationUnsupported }
            return value
        }
    }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        loop.makeCompletedFuture { try Options(channel: self).setOption(option, value: value) }
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        loop.makeCompletedFuture { try Options(channel: self).getOption(option) }
    }
}

// What the handlers do.
extension ConnectionChannel: ChannelCore {
    func localAddress0() throws -> SocketAddress {
        guard let localAddress else { throw ChannelError.unknownLocalAddress }
        return localAddress
    }

    func remoteAddress0() throws -> SocketAddress {
        guard let remoteAddress else { throw ChannelError.ioOnClosedChannel }
        return remoteAddress
    }

    func register0(promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }

    func bind0(to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func connect0(to address: SocketAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        let wasWritable = connection.isWritable
        connection.write(unwrapData(data, as: ByteBuffer.self), promise: promise)
        if wasWritable, !connection.isWritable, connection.isOpen {
            pipeline.syncOperations.fireChannelWritabilityChanged()
        }
    }

    func flush0() { connection.flush() }

    func read0() {
        isReadPending = true
        connection.resumeReading()
    }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard connection.isOpen else {
            promise?.fail(ChannelError.alreadyClosed)
            return
        }
        switch mode {
        case .all:
            connection.close()
            promise?.succeed()
        case .output:
            connection.closeOutput()
            promise?.succeed()
        case .input: promise?.fail(ChannelError.operationUnsupported)
        }
    }

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func channelRead0(_ data: NIOAny) {
        // What no handler has wanted.
    }

    func errorCaught0(error: any Error) {
        // What no handler has wanted to know.
    }
}

// What comes from the peer.
extension ConnectionChannel: WireOwner {
    var wantsInput: Bool { isReadPending }

    func read(_ bytes: ByteBuffer) { pipeline.syncOperations.fireChannelRead(NIOAny(bytes)) }

    func readComplete() {
        isReadPending = false
        pipeline.syncOperations.fireChannelReadComplete()
        readIfAutomatic()
    }

    func readEnded() { pipeline.syncOperations.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }

    func becameWritable() { pipeline.syncOperations.fireChannelWritabilityChanged() }

    func ended(_ error: (any Error)?) {
        guard isActive else { return leave() }
        isActive = false
        if let error { pipeline.syncOperations.fireErrorCaught(error) }
        pipeline.syncOperations.fireChannelInactive()
        pipeline.syncOperations.fireChannelUnregistered()
        leave()
    }

    /// Handlers may be in the middle of what has closed the connection.
    private func leave() {
        loop.execute { [self] in
            removeHandlers(pipeline: pipeline)
            closed.succeed()
        }
    }
}

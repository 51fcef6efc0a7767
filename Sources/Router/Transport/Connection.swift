import CLinux
import DequeModule
import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A connected stream socket (TCP or unix) on a ``SocketLoop``: reads while its owner wants input, and keeps what the system does not take yet.
///
/// The owner is kept until the connection has ended.
final class Connection: EventSource, Wire {
    private enum Input {
        case open
        /// The owner wanted no more when there was some.
        case paused
        case ended
    }

    private enum Output {
        case open
        /// The end is sent when everything before it has been.
        case ending
        case ended
    }

    /// Who is told what happens.
    var owner: (any WireOwner)?
    private(set) var isOpen = true
    private(set) var isWritable = true
    private var input = Input.open
    private var output = Output.open
    /// Why nothing can be sent, if that says that what came may not be all.
    private var failure: IOError?
    private var interest = Connection.everything
    /// What the system has not taken yet.
    private var pending = Deque<ByteBuffer>()
    private var pendingBytes = 0
    /// Bytes written and bytes taken by the system so far, modulo 2⁶⁴; promises wait for a number of the latter.
    private var written: UInt64 = 0
    private var taken: UInt64 = 0
    private var promises = Deque<(position: UInt64, promise: EventLoopPromise<Void>)>()

    /// Above so many bytes that wait, no more are wanted…
    private static let highWater = 65_536
    /// … until there are fewer than this.
    private static let lowWater = 32_768
    /// Reads in a row; others have their turn then.
    private static let readsAtOnce = 4
    /// Pieces that are sent by one call.
    private static let piecesAtOnce = 32
    /// A peer that is gone is an error, not a signal.
    private static let flags = CInt(MSG_NOSIGNAL)
    private static let everything = EPOLLIN.rawValue | EPOLLRDHUP.rawValue

    /// Takes over `descriptor`. Nothing is read before ``start(_:)``.
    override init(_ loop: SocketLoop, _ descriptor: CInt) { super.init(loop, descriptor) }

    /// Begins to read, for `owner`.
    func start(_ owner: any WireOwner) throws {
        self.owner = owner
        do {
            try loop.register(self, interest)
        } catch {
            self.owner = nil
            isOpen = false
            loop.remove(self)
            throw error
        }
    }

    /// Where the peer is.
    var remoteAddress: SocketAddress? { SocketAddress(of: descriptor, peer: true) }

    /// Where this end is.
    var localAddress: SocketAddress? { SocketAddress(of: descriptor) }

    // MARK: Events

    override func ready(_ events: UInt32) {
        if events & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 { return hangUp() }
        if events & EPOLLOUT.rawValue != 0 { continueSending() }
        guard isOpen else { return }
        // What is left to read of a peer that sends nothing more is read whether it is wanted or not: only behind it is known why.
        if events & EPOLLRDHUP.rawValue != 0 { return readToEnd() }
        if events & EPOLLIN.rawValue != 0 { readable() }
    }

    // An orderly end would be one of a message, where only that marks the message's.
    override func loopEnds() { end(EventLoopError.shutdown) }

    private func readable() {
        for count in 0..<Self.readsAtOnce {
            guard let owner, input != .ended else { return }
            guard owner.wantsInput else {
                // What has been read may only have to leave; if not, the system tells again of what there is.
                guard count == 0 else { break }
                input = .paused
                return setInterest(interest & ~EPOLLIN.rawValue)
            }
            guard readOnce(owner) else { break }
        }
        if input != .ended { owner?.readComplete() }
    }

    /// Reads what is left, wanted or not.
    private func readToEnd() {
        while let owner, input != .ended {
            guard readOnce(owner, wholly: true) else { break }
        }
        if input != .ended { owner?.readComplete() }
    }

    /// Reads once; whether there may be more. `wholly`: less than could be does not mean that there is none.
    private func readOnce(_ owner: any WireOwner, wholly: Bool = false) -> Bool {
        switch loop.read(from: descriptor) {
        case .bytes(let bytes, let more):
            owner.read(bytes)
            return more || wholly
        case .later: return false
        case .end:
            owner.readComplete()
            inputEnded()
            return false
        case .failed(let code):
            end(IOError(errnoCode: code, reason: "recv"))
            return false
        }
    }

    private func inputEnded() {
        guard isOpen else { return }
        input = .ended
        setInterest(interest & ~Self.everything)
        // Nothing can come and nothing can leave any more.
        if output == .ended { return end(failure) }
        owner?.readEnded()
    }

    /// Both directions are over, or the connection broke.
    private func hangUp() {
        readToEnd()
        guard isOpen else { return }
        if input == .ended { return end(nil) }
        var code: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &length)
        end(IOError(errnoCode: code == 0 ? ECONNRESET : code, reason: "the peer has closed the connection"))
    }

    private func setInterest(_ events: UInt32) {
        guard events != interest else { return }
        interest = events
        loop.change(self, events)
    }

    func resumeReading() {
        guard isOpen, input == .paused else { return }
        input = .open
        setInterest(interest | Self.everything)
    }

    // MARK: Output

    func write(_ bytes: ByteBuffer, promise: EventLoopPromise<Void>?) {
        guard isOpen, output == .open else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        let count = bytes.readableBytes
        written &+= UInt64(count)
        if count > 0 {
            pending.append(bytes)
            pendingBytes += count
            if pendingBytes > Self.highWater { isWritable = false }
        }
        if let promise { promises.append((written, promise)) }
    }

    func flush() {
        // The system says when it takes more.
        guard isOpen, interest & EPOLLOUT.rawValue == 0 else { return }
        sendPending()
    }

    func send(_ bytes: ByteBuffer) {
        guard isOpen, output == .open else { return }
        guard pending.isEmpty, promises.isEmpty else {
            write(bytes, promise: nil)
            return flush()
        }
        let count = bytes.readableBytes
        guard count > 0 else { return }
        written &+= UInt64(count)
        let sent = sendOnce(bytes)
        guard sent < count else {
            taken = written
            return
        }
        guard sent >= 0 || errno == EAGAIN else { return sendFailed(errno) }
        taken &+= UInt64(max(0, sent))
        var rest = bytes
        rest.moveReaderIndex(forwardBy: max(0, sent))
        pending.append(rest)
        pendingBytes = rest.readableBytes
        if pendingBytes > Self.highWater { isWritable = false }
        setInterest(interest | EPOLLOUT.rawValue)
    }

    private func continueSending() {
        setInterest(interest & ~EPOLLOUT.rawValue)
        sendPending()
    }

    /// Sends until nothing is left, or the system takes no more.
    private func sendPending() {
        while !pending.isEmpty {
            let sent = pending.count == 1 ? sendOnce(pending[0]) : sendSeveral()
            guard sent >= 0 else {
                guard errno == EAGAIN else { return sendFailed(errno) }
                setInterest(interest | EPOLLOUT.rawValue)
                break
            }
            consume(sent)
        }
        keepPromises()
        if isOpen, output == .ending, pending.isEmpty { endOutput() }
        guard isOpen, !isWritable, pendingBytes < Self.lowWater else { return }
        isWritable = true
        owner?.becameWritable()
    }

    private func sendOnce(_ bytes: ByteBuffer) -> Int {
        bytes.withUnsafeReadableBytes { bytes in
            while true {
                let sent = Self.send(descriptor, bytes, Self.flags)
                if sent >= 0 || errno != EINTR { return sent }
            }
        }
    }

    private static func send(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer, _ flags: CInt) -> Int {
        #if canImport(Glibc)
            Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags)
        #else
            Musl.send(descriptor, bytes.baseAddress, bytes.count, flags)
        #endif
    }

    private func sendSeveral() -> Int {
        let count = min(pending.count, Self.piecesAtOnce)
        return withUnsafeTemporaryAllocation(of: iovec.self, capacity: count) { pieces in
            // The buffers stay in `pending` until the call is over, and so does what the pointers point to.
            for index in 0..<count {
                pieces[index] = pending[index].withUnsafeReadableBytes {
                    iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count)
                }
            }
            var message = msghdr()
            message.msg_iov = pieces.baseAddress
            message.msg_iovlen = count
            while true {
                let sent = sendmsg(descriptor, &message, Self.flags)
                if sent >= 0 || errno != EINTR { return sent }
            }
        }
    }

    private func consume(_ count: Int) {
        taken &+= UInt64(count)
        pendingBytes -= count
        var left = count
        while left > 0, let first = pending.first {
            guard left >= first.readableBytes else {
                pending[0].moveReaderIndex(forwardBy: left)
                return
            }
            left -= first.readableBytes
            pending.removeFirst()
        }
    }

    private func keepPromises() {
        while let first = promises.first, taken &- first.position < UInt64.max / 2 {
            promises.removeFirst()
            first.promise.succeed()
        }
    }

    /// The peer takes nothing more. What it has said before that may be its answer.
    private func sendFailed(_ code: CInt) {
        let error = IOError(errnoCode: code, reason: "send")
        output = .ended
        // The system tells of a reset once only: what is read after this would seem to end in order. EPIPE is no reset: the peer had sent its end.
        failure = code == EPIPE ? nil : error
        dropOutput()
        readToEnd()
        end(error)
    }

    private func dropOutput() {
        pending = []
        pendingBytes = 0
        let failed = promises
        promises = []
        for (_, promise) in failed { promise.fail(ChannelError.ioOnClosedChannel) }
    }

    func closeOutput() {
        guard isOpen, output == .open else { return }
        output = .ending
        flush()
    }

    private func endOutput() {
        output = .ended
        if input == .ended { return end(nil) }
        shutdown(descriptor, CInt(SHUT_WR))
    }

    // MARK: Ends

    /// Closes at once. What has not left yet never will: without it an end would be no orderly one, and the system would keep what a peer does not take.
    func close() { if pending.isEmpty { end(nil) } else { reset() } }

    func reset() {
        guard isOpen else { return }
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
        end(nil)
    }

    private func end(_ error: (any Error)?) {
        guard isOpen else { return }
        isOpen = false
        isWritable = false
        loop.remove(self)
        let owner = owner
        self.owner = nil
        dropOutput()
        owner?.ended(error)
    }
}

extension SocketAddress {
    /// Where a socket is, or its peer.
    init?(of descriptor: CInt, peer: Bool = false) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let code = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                peer ? getpeername(descriptor, $0, &length) : getsockname(descriptor, $0, &length)
            }
        }
        guard code == 0 else { return nil }
        self.init(storage)
    }

    /// An internet address; `nil` for any other.
    init?(_ storage: sockaddr_storage) {
        var storage = storage
        let address: SocketAddress? = withUnsafeMutablePointer(to: &storage) { pointer in
            switch CInt(pointer.pointee.ss_family) {
            case AF_INET:
                pointer.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { SocketAddress($0.pointee) }
            case AF_INET6:
                pointer.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { SocketAddress($0.pointee) }
            default: nil
            }
        }
        guard let address else { return nil }
        self = address
    }
}

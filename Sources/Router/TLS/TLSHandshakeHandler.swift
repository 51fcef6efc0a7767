import Logging
import NIOCore
import NIOSSL
import NIOTLS

/// A client connection until its handshake is over; then its place is taken by what speaks the protocol that was agreed on.
final class TLSHandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    private let worker: Worker
    private var client: ClientIdentity
    private var slot: DeadlineTable.Slot?
    private var context: ChannelHandlerContext?

    init(_ worker: Worker, _ client: ClientIdentity) {
        self.worker = worker
        self.client = client
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        guard worker.admit(self) else {
            // An answer would cost the handshake.
            worker.counters.refused(.tooManyConnections)
            return context.close(promise: nil)
        }
        let slot = worker.deadlines.insert(self)
        self.slot = slot
        worker.setDeadline(slot, .now() + worker.settings.timeouts.handshake)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        if let slot { worker.deadlines.remove(slot) }
        slot = nil
        self.context = nil
        worker.leave(self)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let agreed)? = event as? TLSUserEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        worker.counters.totals.handshakes += 1
        do {
            if agreed == "h2" {
                try HTTP2Connection.install(context.pipeline.syncOperations, worker, client, succeeding: self)
            } else {
                let next = ClientHandler(worker, client, admission: .succeeding(self))
                try context.pipeline.syncOperations.addHandler(ChannelWire(next))
            }
        } catch {
            return context.close(promise: nil)
        }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failed(HandshakeFailure(error), "\(error)")
    }

    func channelInactive(context: ChannelHandlerContext) {
        failed(.closed, "the client closed the connection")
        context.fireChannelInactive()
    }

    /// Counts and logs the first failure, and closes.
    private func failed(_ failure: HandshakeFailure, _ error: String) {
        guard let slot, let context else { return }
        worker.deadlines.remove(slot)
        self.slot = nil
        worker.counters.totals.handshakeFailures[failure, default: 0] += 1
        worker.log(.debug, "no handshake") {
            ["reason": "\(failure.rawValue)", "client": "\(String(buffer: client.address))", "error": "\(error)"]
        }
        context.close(promise: nil)
    }

    /// The answer to a client that speaks HTTP without TLS; `nil` when it has been given up already. The rest of its time it may use to
    /// read that.
    func refusePlainText() -> ByteBuffer? {
        guard slot != nil else { return nil }
        worker.counters.totals.handshakeFailures[.plainHTTP, default: 0] += 1
        worker.counters.refused(.tlsRequired)
        let id = worker.random.make().text(Head(bytes: ByteBuffer()))
        var bytes = ByteBuffer()
        RouterAnswer(.tlsRequired, requestID: id)
            .write(id: id, date: worker.dateLine(), connection: .close, omittingBody: false, into: &bytes)
        if let slot { worker.setDeadline(slot, .now() + worker.settings.timeouts.linger) }
        isRefused = true
        return bytes
    }

    /// Whether the client has been told to use TLS, and is waited for to close.
    private var isRefused = false
}

extension TLSHandshakeHandler: DeadlineOwner {
    func deadlineExpired(at now: NIODeadline) {
        guard !isRefused else { return closeAtOnce() }
        failed(.timeout, "it took longer than \(worker.settings.configuration.timeouts.handshake.inSeconds)")
        closeAtOnce()
    }

    /// TLS itself would wait for the client's leave.
    private func closeAtOnce() { context?.closeBelowTLS() }
}

extension TLSHandshakeHandler: ClientConnection {
    func identify(_ address: SocketAddress) { client = worker.identity(address) }

    func refuseWithoutProxyHeader() {
        failed(.noProxyHeader, "no header of the PROXY protocol")
        closeAtOnce()
    }

    func drainBegan() {}

    func stop(tunnelsToo: Bool) { closeAtOnce() }
}

extension ChannelHandlerContext {
    /// Closes the connection without what TLS says at an end: no peer can take the end for an orderly one.
    func closeBelowTLS() {
        let tls = try? pipeline.syncOperations.context(handlerType: NIOSSLServerHandler.self)
        if let tls { tls.close(promise: nil) } else { close(promise: nil) }
    }
}

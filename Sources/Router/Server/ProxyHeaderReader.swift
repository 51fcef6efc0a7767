import NIOCore

/// Takes the header of the PROXY protocol off a connection that begins with one, tells what follows whose connection it is, and leaves.
/// Until then nothing else passes.
final class ProxyHeaderReader: WireOwner {
    private let connection: Connection
    private let client: any ClientConnection
    private let next: any WireOwner
    private var bytes = ByteBuffer()

    /// In front of `next`, which is `client`'s.
    init(_ connection: Connection, _ client: any ClientConnection, _ next: any WireOwner) {
        self.connection = connection
        self.client = client
        self.next = next
    }

    var wantsInput: Bool { true }

    func read(_ more: ByteBuffer) {
        bytes.writeImmutableBuffer(more)
        switch ProxyHeader.read(bytes.readableBytesView) {
        case .incomplete: break
        case .malformed:
            leave()
            client.refuseWithoutProxyHeader()
        case .header(let header):
            bytes.moveReaderIndex(forwardBy: header.length)
            if let source = header.source { client.identify(source) }
            leave()
            if bytes.readableBytes > 0 { next.read(bytes) }
        }
    }

    private func leave() { if connection.isOpen { connection.owner = next } }

    func readComplete() {}

    func readEnded() { next.readEnded() }

    func becameWritable() { next.becameWritable() }

    func ended(_ error: (any Error)?) { next.ended(error) }
}

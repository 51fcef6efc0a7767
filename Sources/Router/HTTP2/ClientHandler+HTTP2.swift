import NIOCore

extension ClientHandler {
    /// The client speaks HTTP/2, and knows that this end does: the connection changes hands.
    func becomeHTTP2() {
        guard let connection = wire as? Connection else { return }
        var bytes = ByteBuffer(string: RequestHead.http2Preface)
        bytes.writeImmutableBuffer(decoder.takeAll())
        let channel = ConnectionChannel(connection)
        do {
            try HTTP2Connection.install(channel.pipeline.syncOperations, worker, client, succeeding: self)
        } catch {
            return close()
        }
        ended(nil)
        connection.owner = channel
        channel.activate()
        channel.read(bytes)
    }
}

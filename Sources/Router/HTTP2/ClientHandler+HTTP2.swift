import NIOCore

extension ClientHandler {
    /// The connection begins as HTTP/2 does (RFC 9113, 3.3: by prior knowledge): its place is taken by what speaks that.
    func becomeHTTP2() {
        guard let context else { return }
        var bytes = ByteBuffer(string: RequestHead.http2Preface)
        bytes.writeImmutableBuffer(decoder.takeAll())
        do {
            try HTTP2Connection.install(behind: self, worker, client, context)
        } catch {
            return close()
        }
        context.fireChannelRead(NIOAny(bytes))
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }
}

/// An HTTP/1.1 client over libcurl: connections are kept and reused, over TCP, TLS and unix sockets.
///
/// All exchanges of one client run on one thread of its own, so that a process needs few of them: usually one. The client lives
/// as long as something refers to it or to a body that it is still receiving. Cancelling the task that waits in a call cancels
/// the exchange.
package final class HTTPClient: Sendable {
    /// What all requests of a client share.
    package struct Configuration: Sendable {
        /// Who is trusted over TLS.
        package var tls = TLSSettings()
        /// The proxy.
        package var proxy = ProxySettings.direct
        /// The `User-Agent` field, unless the request has its own.
        package var userAgent = "kiln"
        /// How many idle connections are kept for reuse.
        package var idleConnections = 64
        /// How long a connection may have been idle and still be reused.
        package var idleLifetime = Duration.seconds(60)

        /// Trust of the system, no proxy.
        package init() {}
    }

    /// Starts a client.
    package init(_ configuration: Configuration = Configuration()) throws(TransferError) {}

    /// Sends `request` and returns as soon as the answer's head is there; the body follows as the reader asks for it.
    package func execute(_ request: ClientRequest) async throws(TransferError) -> ClientResponse {
        throw TransferError(.unavailable, "The client is not built yet.")
    }

    /// Sends `request` and returns the whole answer; throws `tooLarge` when the body exceeds `limit` bytes.
    package func collect(_ request: ClientRequest, limit: Int = 4 << 20) async throws(TransferError) -> CollectedResponse {
        throw TransferError(.unavailable, "The client is not built yet.")
    }
}

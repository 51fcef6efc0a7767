/// An HTTP/1.1 client over libcurl: connections are kept and reused, over TCP, TLS and unix sockets.
///
/// All exchanges of one client run on one thread of its own, so that a process needs few of them: usually one. The
/// client lives as long as something refers to it or to a body that it is still receiving. Cancelling the task that
/// waits in a call cancels the exchange.
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
        /// How long a connection may have been idle and still be reused, in whole seconds.
        package var idleLifetime = Duration.seconds(60)

        /// Trust of the system, no proxy.
        package init() {}
    }

    private let mailbox: Mailbox

    /// Starts a client.
    package init(_ configuration: Configuration = Configuration()) throws(TransferError) {
        var configuration = configuration
        configuration.tls.trust = configuration.tls.trust.loaded()
        mailbox = try Mailbox()
        try Engine.start(mailbox, configuration)
    }

    deinit { _ = mailbox.post(.stop) }

    /// Sends `request` and returns as soon as the answer's head is there; the body follows as the reader asks for it.
    package func execute(_ request: ClientRequest) async throws(TransferError) -> ClientResponse {
        let exchange = try begin(request, .streamed)
        switch await exchange.wait(for: .head) {
        case .head(let head):
            let body = ResponseBody(BodyReader(exchange, client: self))
            return ClientResponse(status: head.status, headers: head.headers, body: body)
        case .failure(let error): throw error
        case .chunk, .whole, .end: throw Self.outOfStep
        }
    }

    /// Sends `request` and returns the whole answer; throws `tooLarge` when the body exceeds `limit` bytes.
    package func collect(_ request: ClientRequest, limit: Int = 4 << 20) async throws(TransferError)
        -> CollectedResponse
    {
        let exchange = try begin(request, .whole(limit: limit))
        switch await exchange.wait(for: .whole) {
        case .whole(let head, let body):
            return CollectedResponse(status: head.status, headers: head.headers, body: body)
        case .failure(let error): throw error
        case .head, .chunk, .end: throw Self.outOfStep
        }
    }

    private func begin(
        _ request: ClientRequest, _ delivery: ExchangeState.Delivery
    ) throws(TransferError) -> Exchange {
        guard !Task.isCancelled else {
            throw TransferError(.cancelled, "The request was cancelled before it was sent.")
        }
        let exchange = Exchange(request, delivery, mailbox: mailbox)
        exchange.start()
        return exchange
    }

    static let outOfStep = TransferError(.unavailable, "The HTTP client answered another question than was asked.")
}

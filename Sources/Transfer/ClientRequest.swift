/// One request to send.
package struct ClientRequest: Sendable {
    /// The method.
    package var method: Method
    /// The absolute `http` or `https` URL. With ``socket`` its authority only fills the `Host` field.
    package var url: String
    /// A unix socket to connect to instead of the URL's host, by path (at most 107 bytes).
    package var socket: String?
    /// Field lines to send. `Host`, `Content-Length` and `Transfer-Encoding` are set by the client.
    package var headers: HeaderFields
    /// What follows the head.
    package var body: RequestBody
    /// The limits in time.
    package var timeouts: Timeouts
    /// Which addresses may be dialled; `nil` for any.
    package var addressRule: AddressRule?

    /// A request for `url`.
    package init(
        _ method: Method, _ url: String, socket: String? = nil, headers: HeaderFields = [:], body: RequestBody = .none,
        timeouts: Timeouts = Timeouts(), addressRule: AddressRule? = nil
    ) {
        self.method = method
        self.url = url
        self.socket = socket
        self.headers = headers
        self.body = body
        self.timeouts = timeouts
        self.addressRule = addressRule
    }
}

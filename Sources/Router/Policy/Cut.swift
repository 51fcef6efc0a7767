/// Why the Router broke off a response that had begun, or a tunnel. The client learns of it by an end of its connection that cannot be
/// taken for the message's; the access log, the log and the metrics have the word.
enum Cut: String, CaseIterable {
    /// The instance ended the connection in the middle of its response.
    case upstreamClosed = "upstream-closed"
    /// What the instance sent after the head is not well-formed HTTP/1.1.
    case upstreamMalformed = "upstream-malformed"
    /// Nothing of the response moved for too long, because of the instance or of the client; flag `--stream-timeout`.
    case streamTimeout = "stream-timeout"
    /// Nothing passed through the tunnel for too long; flag `--websocket-timeout`.
    case websocketTimeout = "websocket-timeout"
    /// The rest of the request's body is not acceptable.
    case requestRefused = "request-refused"
    /// The Router stops, and has waited as long as it may.
    case stopping = "stopping"

    /// The loss of an instance's connection.
    init(_ reason: Reason) { self = reason == .upstreamMalformed ? .upstreamMalformed : .upstreamClosed }
}

/// The course of one request and its response once an instance has it: what has passed in each direction, and what
/// follows from an end on either side. It does no I/O; the handlers perform what it returns.
///
/// ```
///              request body                 response
///   client ───── open → ended ──► instance ──── awaiting → open → ended ──► client
///                    ↘ stopped
/// ```
struct Exchange: Equatable {
    /// The request's body.
    enum Upload: Equatable { case open, ended, stopped }
    /// The response.
    enum Download: Equatable { case awaiting, open, ended }

    /// What becomes of the client's connection.
    enum ClientEnd: Equatable {
        /// The next request follows.
        case next
        /// The rest of the body is thrown away, then the next request follows.
        case discard
        /// It is closed, after everything written has left.
        case close
    }

    /// What becomes of the instance's connection.
    enum UpstreamEnd: Equatable { case keep, close }

    /// What follows from the loss of the instance's connection.
    enum Loss: Equatable {
        /// Nothing: the response was complete.
        case none
        /// The request is sent again.
        case retry
        /// The request is sent again, once, if another instance can take it.
        case retryElsewhere
        /// The client gets an answer.
        case answer(Reason)
        /// The client has got part of a response: its connection is broken off, so that it can't take the part for the
        /// whole.
        case abort
    }

    /// So long after a request was sent, the loss of its connection may mean that nobody had seen it. A request that ends
    /// the instance which works on it must not end the next one too.
    static let stale = Duration.seconds(2)

    private(set) var upload: Upload
    private(set) var download = Download.awaiting
    /// Whether sending it twice has the effect of once, and there is all that's needed to do so.
    let isReplayable: Bool
    /// Whether the client keeps its connection open.
    var isPersistent: Bool
    /// Whether the client waits for `100 Continue`, which it has not got.
    private(set) var awaitsContinue: Bool
    /// Whether any byte of a response has come, 1xx included.
    private(set) var isAnswered = false
    /// Whether the instance's connection had served another request before.
    private(set) var isReused = false

    init(_ method: RequestHead.Method, _ facts: borrowing RequestFacts) {
        upload = facts.framing == .none ? .ended : .open
        isReplayable = method.isIdempotent && facts.framing == .none && facts.upgrade == nil
        isPersistent = facts.persistent
        awaitsContinue = facts.expectsContinue
    }

    /// An instance's connection takes the request.
    mutating func begin(reused: Bool) { isReused = reused }

    /// The client has been told to go on.
    mutating func continued() { awaitsContinue = false }

    /// The last of the body has been passed on.
    mutating func uploadEnded() { if upload == .open { upload = .ended } }

    /// A 1xx has come, or a part of a head.
    mutating func interim() { isAnswered = true }

    /// The final head has come; returns whether the client's connection can stay open after this response.
    ///
    /// A client that waits for `100 Continue` may send its body after all or never: what follows can't be told apart.
    mutating func headReceived(selfDelimiting: Bool) -> Bool {
        isAnswered = true
        download = .open
        if !selfDelimiting || awaitsContinue { isPersistent = false }
        return isPersistent
    }

    /// The response is complete. `discardable`: the rest of the request's body is known to be small.
    mutating func responseEnded(upstreamPersistent: Bool, discardable: Bool) -> (ClientEnd, UpstreamEnd) {
        download = .ended
        let uploaded = upload == .ended
        if upload == .open { upload = .stopped }
        let upstream: UpstreamEnd = upstreamPersistent && uploaded ? .keep : .close
        guard isPersistent else { return (.close, upstream) }
        if uploaded { return (.next, upstream) }
        return (discardable ? .discard : .close, upstream)
    }

    /// The instance's connection is gone, or what came over it is no HTTP.
    ///
    /// A retry needs all of: no byte of a response; a loss soon after the request was sent (`waited`), or the instance has seen it;
    /// a request that can be repeated (RFC 9110, 9.2.2). A POST never is. Over a connection that had been idle, the instance
    /// may have closed it before it saw the request. Over a new one it has ended, and its kernel may have taken the connection for it: another
    /// instance may have the request, but it is not held until this one has been replaced, because it may be what ends instances.
    mutating func lost(_ reason: Reason, waited: Duration) -> Loss {
        defer { if upload == .open { upload = .stopped } }
        switch download {
        case .ended: return .none
        case .open: return .abort
        case .awaiting:
            if reason == .upstreamClosed, !isAnswered, isReplayable, waited < Self.stale {
                return isReused ? .retry : .retryElsewhere
            }
            download = .ended
            return .answer(reason)
        }
    }
}

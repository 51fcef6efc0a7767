import NIOCore

/// What a client's connection is waiting for, and therefore which timeout counts.
enum Wait: Equatable {
    /// The first byte of the first request.
    case firstRequest
    /// The rest of a head.
    case head
    /// The first byte of another request.
    case nextRequest
    /// An instance, or a role.
    case instance(NIODeadline)
    /// More of the body, from the client.
    case body
    /// The head of the response, or room for more of the body: the route's timeout.
    case response(TimeAmount)
    /// More of the response, from the instance, or room for it at the client.
    case stream
    /// Something to pass through a tunnel.
    case tunnel
    /// The end of input that is thrown away.
    case linger
    /// Nothing.
    case none

    /// What to do when it has taken too long.
    enum Outcome: Equatable {
        /// The client's connection is closed, nothing is said.
        case close
        /// The client gets an answer.
        case answer(Reason)
        /// A response has begun: both sides are broken off.
        case abort
        /// The request stops waiting for an instance.
        case giveUp
    }

    /// What follows from its deadline passing. `answered`: a response's head has been sent.
    func outcome(answered: Bool) -> Outcome {
        switch self {
        case .firstRequest, .nextRequest, .tunnel, .linger, .none: .close
        case .head: .answer(.headTimeout)
        case .instance: .giveUp
        case .body: answered ? .abort : .answer(.bodyTimeout)
        case .response: answered ? .abort : .answer(.responseTimeout)
        case .stream: .abort
        }
    }
}

/// Whether a body comes fast enough, measured window by window: a slow one holds an instance's place for next to
/// nothing.
struct BodyPace: Equatable {
    /// What a window has shown.
    enum Verdict: Equatable {
        case fine
        case clientTooSlow
        /// The client was kept from sending, and nothing has moved for as long as the instance may take.
        case instanceTooSlow
    }

    private var bytes = 0
    private var hindered = false
    private var still = TimeAmount.zero

    /// Some of the body has come.
    mutating func moved(_ count: Int) { bytes += count }
    /// The client is kept from sending, because the instance doesn't take more.
    mutating func hinder() { hindered = true }

    /// Ends one window and begins the next.
    mutating func endWindow(minimumBytes: Int, window: TimeAmount, patience: TimeAmount) -> Verdict {
        defer { bytes = 0 }
        if !hindered { return bytes < max(1, minimumBytes) ? .clientTooSlow : .fine }
        still = bytes > 0 ? .zero : still + window
        // It takes a movement to end being kept from it.
        if bytes > 0 { hindered = false }
        return still >= patience ? .instanceTooSlow : .fine
    }
}

import NIOCore

/// Whether an endpoint may be dialled: after a failure it rests for a while, then one request tries it and the others
/// wait for the outcome.
struct DialHealth {
    /// The first and the longest rest.
    static let rest: ClosedRange<Int64> = 10...250

    private enum State: Equatable {
        case healthy
        case resting(until: NIODeadline)
        case probing
    }

    private var state = State.healthy
    private var failures = 0

    /// Whether a request may dial now.
    func mayDial(at now: NIODeadline) -> Bool {
        switch state {
        case .healthy: true
        case .resting(let until): now >= until
        case .probing: false
        }
    }

    /// When it may be dialled again, if that is a matter of time.
    var restsUntil: NIODeadline? {
        if case .resting(let until) = state { return until }
        return nil
    }

    /// A dial begins.
    mutating func dialling() {
        if case .resting = state { state = .probing }
    }

    /// A dial succeeded; `true` when others have waited for that.
    mutating func succeeded() -> Bool {
        defer {
            state = .healthy
            failures = 0
        }
        return state != .healthy
    }

    /// A dial failed: rest 10 ms, doubled each time up to 250 ms, half of it at random.
    ///
    /// Of several dials that failed together the first one counts.
    mutating func failed(at now: NIODeadline, draw: (Int) -> Int) {
        if case .resting(let until) = state, until > now { return }
        let full = min(Self.rest.upperBound, Self.rest.lowerBound << Int64(min(failures, 5)))
        failures += 1
        let half = full * 500
        state = .resting(until: now + .microseconds(half + Int64(draw(Int(half)))))
    }
}

import Contract

/// Is told how roll-outs fare and what serves, to tell it on. Calls come in order and return soon.
package protocol RolloutObserver: Sendable {
    /// How the roll-out of a revision fares.
    func rollOut(of revision: RevisionID, _ progress: RolloutProgress) async

    /// What is live for `name` now, `nil` while nothing is, and how the traffic is divided, `nil` while that has all of it.
    func serving(_ name: FunctionName, _ target: RouteTarget?, isParked: Bool, split: TrafficSplit?) async
}

/// How a roll-out fares.
package enum RolloutProgress: Hashable, Sendable {
    /// Its instances are being started.
    case began
    /// It serves.
    case live(LiveCause)
    /// It did not come up; what served before goes on.
    case failed(RolloutFailure)
    /// A later deploy went live before it.
    case superseded
    /// It lost its share of the traffic, for this reason.
    case steppedBack(String)
}

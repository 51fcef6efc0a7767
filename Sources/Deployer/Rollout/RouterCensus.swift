import Contract

/// The Routers where they are not fed by this Deployer, but hear from elsewhere what serves: in a cluster.
package protocol RouterCensus: Sendable {
    /// Returns when every Router routes as `check` says, or at `deadline`; at once `false` when no Router is known, so that nobody can be
    /// asked.
    func settle(_ check: RouteCheck, deadline: ContinuousClock.Instant) async -> Bool
}

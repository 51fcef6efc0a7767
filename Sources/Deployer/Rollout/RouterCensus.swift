import Contract

/// The Routers where they are not fed by this Deployer, but hear from elsewhere what serves: in a cluster.
package protocol RouterCensus: Sendable {
    /// Returns when every Router routes as `check` says, or at `deadline`; at once `false` when no Router is known, so that nobody can be
    /// asked.
    func settle(_ check: RouteCheck, deadline: ContinuousClock.Instant) async -> Bool

    /// Whether all of `addresses`, which only Routers may dial, accept connections, or come to within `patience`; `nil` when nobody can be
    /// asked.
    func reach(_ addresses: [Endpoint.Address], within patience: Duration) async -> Bool?
}

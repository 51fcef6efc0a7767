import Contract
import Router
import Service

/// Answers whether a Router routes as a Deployer has recorded: the way by which a Deployer that does not feed it learns that it has switched.
actor RouteWitness {
    private let server: RouterServer
    private let waiters = ChangeWaiters()

    /// A witness of `server`.
    init(_ server: RouterServer) { self.server = server }

    /// Follows the Router's statuses, whose one consumer this is, until the task is cancelled.
    func run() async {
        for await _ in server.statuses { waiters.announce() }
    }

    /// Whether `check` holds now, or comes to hold within `patience`.
    func holds(_ check: RouteCheck, within patience: Duration) async -> Bool {
        let deadline = ContinuousClock.now + patience
        while !Task.isCancelled {
            if server.holds(check) { return true }
            guard .now < deadline else { return false }
            await waiters.change(until: deadline)
        }
        return false
    }
}

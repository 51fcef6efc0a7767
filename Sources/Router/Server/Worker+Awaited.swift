import Contract
import NIOCore

// Requests that wait for a revision without an instance: the Deployer may have parked it, and starts one when it is told.
extension Worker {
    /// How often the Deployer is told again: it may have been restarting.
    private static let repetition = TimeAmount.seconds(1)

    /// Says that the first request of `key` waits, if what it waits for has no instance.
    func callForInstance(_ key: HoldKey) {
        guard roomOfQueue(key) != nil, let revision = awaited(key) else { return }
        reports.awaited([revision])
        callAgainLater()
    }

    /// Says what requests for `functions` wait for, now that their routes have changed.
    func callForInstances(of functions: [String]) {
        for name in functions {
            for key in heldKeys[name] ?? [] { callForInstance(key) }
        }
    }

    private func callAgainLater() {
        guard !isCalling else { return }
        isCalling = true
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(in: Self.repetition) {
            let worker = bound.value
            worker.isCalling = false
            let revisions = Set(worker.heldKeys.values.flatMap(\.self).compactMap(worker.awaited))
            guard !revisions.isEmpty else { return }
            worker.reports.awaited(Array(revisions))
            worker.callAgainLater()
        }
    }

    /// The revision without an instance that requests of `key` wait for.
    private func awaited(_ key: HoldKey) -> RevisionID? {
        guard case .function(let name, let aim) = key, let route = snapshot?.routes[name],
            case .success(let target) = route.target(aim, draw: draw), target.endpoints.isEmpty
        else { return nil }
        return RevisionID(function: route.function, number: target.revision)
    }
}

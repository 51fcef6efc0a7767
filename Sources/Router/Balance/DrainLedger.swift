import Contract

/// Knows which endpoints have left the table and still have requests, and from when on a table is the one in use
/// everywhere.
///
/// Tables are counted here by steps, because their own versions start anew with each run of the Deployer.
struct DrainLedger {
    private struct Step {
        let number: Int
        let version: TableVersion
        var missing: Int
    }

    private let loops: Int
    private var steps: [Step] = []
    private var lastStep = 0
    private var applied: (number: Int, version: TableVersion)?
    private var departures: [(endpoint: SharedEndpoint, step: Int)] = []
    private var reported: RouterStatus?

    /// A ledger for `loops` event loops, each of which has to install a table.
    init(loops: Int) { self.loops = loops }

    /// Endpoints that have left and may still have requests.
    var leaving: [SharedEndpoint] { departures.map(\.endpoint) }

    /// Whether every loop routes by the last table, and of the endpoints that have left none of `ids` has requests.
    func isSettled(without ids: Set<String>) -> Bool {
        lastStep == applied?.number ?? 0
            && !departures.contains { ids.contains($0.endpoint.endpoint.id) && $0.endpoint.isBusy }
    }

    /// Begins to apply a table; each loop calls ``installed(_:)`` with the step it returns.
    ///
    /// Marks what has left before any loop installs the table, see ``SharedEndpoint/release()``.
    mutating func begin(_ change: RouteBook.Change) -> Int {
        lastStep += 1
        steps.append(Step(number: lastStep, version: change.snapshot.version, missing: loops))
        for endpoint in change.returned {
            endpoint.enter()
            departures.removeAll { $0.endpoint === endpoint }
        }
        for endpoint in change.left {
            endpoint.leave()
            departures.append((endpoint, lastStep))
        }
        return lastStep
    }

    /// A loop routes by the table of `step`; returns what to report when it was the last one: also when the version is
    /// the one reported before, for the Deployer may have forgotten.
    mutating func installed(_ step: Int) -> RouterStatus? {
        guard let index = steps.firstIndex(where: { $0.number == step }) else { return nil }
        steps[index].missing -= 1
        guard steps[index].missing == 0 else { return nil }
        applied = (step, steps[index].version)
        steps.removeSubrange(...index)
        return status()
    }

    /// Some endpoint that had left finished its last request; returns what to report if that changes anything.
    mutating func settled() -> RouterStatus? {
        let before = reported
        let now = status()
        return now == before ? nil : now
    }

    private mutating func status() -> RouterStatus? {
        guard let applied else { return nil }
        departures.removeAll { $0.step <= applied.number && !$0.endpoint.isBusy }
        let busy = departures.filter { $0.step <= applied.number }.map(\.endpoint.endpoint.id).sorted()
        reported = RouterStatus(version: applied.version, busy: busy)
        return reported
    }
}

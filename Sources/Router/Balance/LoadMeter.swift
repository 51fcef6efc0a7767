import Contract

/// Samples how many requests the revisions have, and sums the samples up for a report.
///
/// It only reads what the event loops count anyway. Its cost follows the number of revisions with instances, not that of requests.
struct LoadMeter {
    private struct Sum {
        var inFlight = 0
        var held = 0
        var started = 0
        var ended = 0
        var failed = 0
    }

    /// A route, and what tells whether anything is to be said of it: of thousands that is seldom so.
    private struct Watched {
        let route: FunctionRoute
        let endpoints: ContiguousArray<SharedEndpoint>
        /// Whether more is counted than its endpoints tell.
        let isShared: Bool

        init?(_ route: FunctionRoute) {
            let targets = route.targets + route.pinned
            endpoints = ContiguousArray(targets.flatMap(\.endpoints))
            guard !endpoints.isEmpty else { return nil }
            self.route = route
            isShared = targets.contains { $0.outcomes != nil }
        }

        var isQuiet: Bool {
            guard !isShared, route.waiting.occupancy == 0 else { return false }
            for endpoint in endpoints where !endpoint.isQuiet { return false }
            return true
        }
    }

    /// How many samples make a report.
    static let samplesPerReport = 10

    private var snapshot: RouteSnapshot?
    /// The routes of ``snapshot`` that have an instance.
    private var routes: ContiguousArray<Watched> = []
    private var sums: [RevisionID: Sum] = [:]
    private var samples = 0
    /// What the last report said something about: when it has ended, one more report says so.
    private var reported: Set<RevisionID> = []

    /// Takes a sample; returns a report when it is time for one and there is something to say.
    mutating func sample(_ current: RouteSnapshot) -> RouterLoad? {
        if current !== snapshot {
            snapshot = current
            routes = ContiguousArray(current.routes.values.compactMap(Watched.init))
        }
        for watched in routes where !watched.isQuiet {
            let route = watched.route
            var held = route.waiting.occupancy
            for target in route.targets {
                add(target, of: route, held: held)
                held = 0
            }
            for target in route.pinned { add(target, of: route, held: 0) }
        }
        samples += 1
        return samples == Self.samplesPerReport ? report() : nil
    }

    private mutating func add(_ target: FunctionRoute.Target, of route: FunctionRoute, held: Int) {
        var inFlight = 0
        var started = 0
        for endpoint in target.endpoints {
            inFlight += endpoint.load
            started += endpoint.takeStarted()
        }
        let (ended, failed) = target.outcomes?.take() ?? (0, 0)
        guard inFlight + started + held + ended + failed > 0 else { return }
        var sum = sums[RevisionID(function: route.function, number: target.revision)] ?? Sum()
        sum.inFlight += inFlight
        sum.held += held
        sum.started += started
        sum.ended += ended
        sum.failed += failed
        sums[RevisionID(function: route.function, number: target.revision)] = sum
    }

    private mutating func report() -> RouterLoad? {
        defer {
            reported = Set(sums.keys)
            sums = [:]
            samples = 0
        }
        guard !sums.isEmpty || !reported.isEmpty else { return nil }
        let ended = reported.subtracting(sums.keys).map { ($0, Sum()) }
        let number = Double(samples)
        return RouterLoad(
            revisions: (sums.map { ($0.key, $0.value) } + ended).map { revision, sum in
                RevisionLoad(
                    revision: revision, inFlight: Double(sum.inFlight) / number, held: Double(sum.held) / number,
                    started: sum.started, ended: sum.ended > 0 ? sum.ended : nil,
                    failed: sum.failed > 0 ? sum.failed : nil)
            })
    }
}

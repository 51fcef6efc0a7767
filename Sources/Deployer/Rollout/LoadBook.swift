import Contract

/// What the Routers said last about the requests they have.
struct LoadBook: Sendable {
    /// A Router that is silent has nothing to say: what it said counts for so long.
    static let validity: Duration = .seconds(3)
    /// Between two reports of a Router that has requests.
    static let interval: Duration = .seconds(1)

    private var reports: [RevisionID: [String: (load: RevisionLoad, time: ContinuousClock.Instant)]] = [:]

    /// Takes note of what `router` says.
    mutating func note(_ load: RevisionLoad, of router: String, at now: ContinuousClock.Instant) {
        reports[load.revision, default: [:]][router] = (load, now)
    }

    /// The load of `revision` over all Routers.
    mutating func load(of revision: RevisionID, at now: ContinuousClock.Instant) -> RevisionLoad {
        var sum = RevisionLoad(revision: revision, inFlight: 0, held: 0, started: 0)
        guard var known = reports[revision] else { return sum }
        known = known.filter { $0.value.time.duration(to: now) < Self.validity }
        reports[revision] = known.isEmpty ? nil : known
        for (load, _) in known.values {
            sum.inFlight += load.inFlight
            sum.held += load.held
            sum.started += load.started
        }
        return sum
    }

    /// Forgets a revision.
    mutating func forget(_ revision: RevisionID) { reports[revision] = nil }
}

extension RevisionLoad {
    /// Whether there were requests at all.
    var isActive: Bool { inFlight > 0 || held > 0 || started > 0 }
}

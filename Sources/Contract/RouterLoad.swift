/// What a Router tells the Deployer (`POST /internal/routers/ID/load`) about the requests it has: once a second while there are any,
/// once more when they have ended, and at once when one waits for a revision without an instance.
package struct RouterLoad: Hashable, Sendable, Codable {
    /// The revisions that have requests, or had some since the last report.
    package var revisions: [RevisionLoad]
    /// Revisions without an instance for which requests wait.
    package var awaited: [RevisionID]

    /// A report.
    package init(revisions: [RevisionLoad] = [], awaited: [RevisionID] = []) {
        self.revisions = revisions
        self.awaited = awaited
    }
}

/// The requests of one Router for one revision.
package struct RevisionLoad: Hashable, Sendable, Codable {
    /// The revision.
    package var revision: RevisionID
    /// Requests at an instance, streams and tunnels included: the average of the samples since the last report.
    package var inFlight: Double
    /// Requests that wait for a place at an instance, likewise.
    package var held: Double
    /// How many requests were given to an instance since the last report.
    package var started: Int
    /// How many requests have ended since the last report, while it shares the traffic with others; absent for none.
    package var ended: Int?
    /// How many of these failed: with a status of 500 or higher, of the function's or for want of its answer, or broken off by it.
    package var failed: Int?

    /// A revision's load.
    package init(
        revision: RevisionID, inFlight: Double, held: Double, started: Int, ended: Int? = nil, failed: Int? = nil
    ) {
        self.ended = ended
        self.failed = failed
        self.revision = revision
        self.inFlight = inFlight
        self.held = held
        self.started = started
    }
}

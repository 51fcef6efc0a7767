/// How the traffic of a function is divided between several of its revisions.
package struct TrafficSplit: Hashable, Sendable, Codable {
    /// What one revision gets.
    package struct Share: Hashable, Sendable, Codable {
        /// The revision's number.
        package var revision: Int
        /// Of 100 requests so many; with 0 it only answers under `/fn/NAME@R`.
        package var percent: Int

        /// `percent` of the traffic for `revision`.
        package init(revision: Int, percent: Int) {
            self.revision = revision
            self.percent = percent
        }
    }

    /// The most revisions that may share the traffic: each has instances of its own.
    package static let most = 10

    /// By number, each revision once, at least two; together 100.
    package var shares: [Share]
    /// What keeps a client on its revision; `nil`: each request is drawn anew.
    package var sticky: Stickiness?
    /// When all of the traffic goes back to the live revision; `nil`: never by itself.
    package var stepBack: StepBack?

    /// The traffic in `shares`, which come to 100.
    package init(shares: [Share], sticky: Stickiness? = nil, stepBack: StepBack? = nil) {
        self.stepBack = stepBack
        self.shares = shares.sorted { $0.revision < $1.revision }
        self.sticky = sticky
    }

    /// `percent` of the traffic for `canary`, the rest for `live`.
    package init(live: Int, canary: Int, percent: Int) {
        self.init(shares: [
            Share(revision: live, percent: 100 - percent), Share(revision: canary, percent: percent),
        ])
    }

    /// The share of `revision`; `nil` when it has no part.
    package func percent(of revision: Int) -> Int? { shares.first { $0.revision == revision }?.percent }

    /// The revision that is live while this stands, which a rollback goes back to: `before`, as long as it gets anything, else the one
    /// that gets most.
    package func live(before: Int?) -> Int? {
        if let before, percent(of: before) ?? 0 > 0 { return before }
        return shares.max { ($0.percent, -$0.revision) < ($1.percent, -$1.revision) }?.revision
    }

    /// The same with `new` in the place of `old`.
    package func replacing(_ old: Int, by new: Int) -> TrafficSplit {
        var split = self
        split.shares = shares.map { $0.revision == old ? Share(revision: new, percent: $0.percent) : $0 }
            .sorted { $0.revision < $1.revision }
        return split
    }
}

extension TrafficSplit: CustomStringConvertible {
    /// As people write it: `r7=90% r8=10%`.
    package var description: String { shares.map { "r\($0.revision)=\($0.percent)%" }.joined(separator: " ") }
}

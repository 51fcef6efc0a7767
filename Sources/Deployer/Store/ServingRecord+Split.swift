import Contract

extension ServingRecord {
    /// What serves of the function that `summary` is of: `revisions` are those besides the live one, or more, that may. `nil`: nothing.
    init?(_ summary: FunctionSummary, _ revisions: [RevisionRecord]) {
        let besides = revisions.filter { $0.revision.number != summary.live?.number }
            .sorted { $0.revision.number < $1.revision.number }
        let split = summary.live == nil ? nil : summary.split
        let others = besides.map(\.revision).filter { split?.percent(of: $0.number) != nil }
        let pinned = besides.filter { $0.pinned && split?.percent(of: $0.revision.number) == nil }.map(\.revision)
        guard summary.live != nil || !pinned.isEmpty else { return nil }
        self.init(name: summary.name, live: summary.live, pinned: pinned, split: split, others: others)
    }

    /// Of 100 requests so many are for `revision`; 0 for one that only answers under its number.
    func percent(of revision: Int) -> Int {
        split.map { $0.percent(of: revision) ?? 0 } ?? (revision == live?.number ? 100 : 0)
    }

    /// The revisions that get a part of the traffic, the live one first; one alone unless the traffic is divided.
    var sharing: [Revision] { ([live].compactMap(\.self) + others).filter { percent(of: $0.number) > 0 } }
}

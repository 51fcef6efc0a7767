import Contract

/// Which revisions of a function garbage collection leaves.
///
/// Whatever the numbers say, it leaves what is live, pinned or being rolled out, what still has instances, the newest revision, and the
/// one that a rollback without a goal would go to.
package struct Retention: Hashable, Sendable {
    /// The newest so many revisions that have been live; flag `--keep-revisions`. Those that failed do not count: they cannot be
    /// rolled back to.
    package var keep = 20
    /// Everything younger than this, failed ones too; flag `--keep-revisions-for`.
    package var keepFor = TimeSpan.seconds(7 * 86_400)

    /// The defaults: 20 revisions, and all of the last 7 days.
    package init() {}

    /// The revisions of `record` that may go at `now`, newest first. `busy` are the numbers of those that have instances.
    func obsolete(in record: FunctionRecord, at now: Timestamp, busy: Set<Int>) -> [RevisionRecord] {
        var kept = busy
        if let live = record.summary.live { kept.insert(live.number) }
        kept.formUnion(record.summary.split?.shares.map(\.revision) ?? [])
        if let newest = record.revisions.first { kept.insert(newest.revision.number) }
        // While the traffic is divided, the goal after that.
        var record = record
        record.summary.split = nil
        if let target = try? Reconciler.rollbackTarget(record, nil) { kept.insert(target.number) }
        kept.formUnion(record.revisions.filter { $0.state == .ready }.prefix(keep).map(\.revision.number))
        return record.revisions.filter { entry in
            !entry.pinned && entry.state != .pending && !kept.contains(entry.revision.number)
                && isOld(entry.revision, now)
        }
    }

    private func isOld(_ revision: Revision, _ now: Timestamp) -> Bool {
        guard case .seconds(let seconds) = keepFor else { return false }
        return now.milliseconds - revision.created.milliseconds >= Int64(seconds) * 1000
    }
}

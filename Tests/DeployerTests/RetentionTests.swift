import Contract
import Testing

@testable import Deployer

/// Which revisions garbage collection gives up, as a table.
@Suite struct RetentionTests {
    private static let day: Int64 = 86_400_000

    /// A function whose revisions are as `states` says, oldest first: `r` ready, `f` failed, `p` pending, `s` superseded, `P` ready and
    /// pinned. Each is a day younger than the one before; the last one is as old as `now`. `history` is oldest first.
    private func record(_ states: String, live: Int?, history: [Int]) throws -> FunctionRecord {
        let function = try name("hello")
        var revisions: [RevisionRecord] = []
        for (index, letter) in states.enumerated() {
            var draft = try draft("hello", "a", ticket: index + 1)
            draft.now = Timestamp(milliseconds: Int64(index + 1) * Self.day)
            let revision = Revision(
                function: function, number: index + 1, image: draft.image, spec: draft.spec, created: draft.now)
            let state: RevisionState =
                switch letter {
                case "f": .failed
                case "p": .pending
                case "s": .superseded
                default: .ready
                }
            revisions.insert(
                RevisionRecord(revision: revision, state: state, failure: nil, pinned: letter == "P"), at: 0)
        }
        return FunctionRecord(
            summary: FunctionSummary(
                name: function, created: Timestamp(milliseconds: 0),
                live: revisions.first { $0.revision.number == live }?.revision),
            revisions: revisions,
            history: history.reversed().map {
                HistoryEntry(revision: $0, at: Timestamp(milliseconds: 0), cause: .deploy)
            })
    }

    @Test(
        arguments: [
            // Live, and what a rollback goes to, stay in any case.
            ("rrrrr", 5, [1, 2, 3, 4, 5], 0, 0, [3, 2, 1]),
            ("rrrrr", 2, [1, 5, 2], 0, 0, [4, 3, 1]),
            // The newest so many that were live.
            ("rrrrr", 5, [1, 2, 3, 4, 5], 3, 0, [2, 1]),
            ("rrrrr", 5, [1, 2, 3, 4, 5], 5, 0, []),
            // Failed ones do not count, and go when they are old; the newest stays, for it is what is looked at.
            ("rrrff", 3, [1, 2, 3], 2, 0, [4, 1]),
            ("fsrrr", 5, [3, 4, 5], 9, 0, [2, 1]),
            // Young ones stay. The last one is of today.
            ("rrrrr", 5, [1, 2, 3, 4, 5], 0, 4, [1]),
            ("rrrrr", 5, [1, 2, 3, 4, 5], 0, 100, []),
            // Pinned and pending ones stay.
            ("PrrrP", 4, [1, 2, 3, 4], 0, 0, [2]),
            ("rprrr", 5, [1, 3, 4, 5], 0, 0, [3, 1]),
            // A function that never came up.
            ("fff", nil, [], 20, 0, [2, 1]),
            ("", nil, [], 0, 0, []),
        ] as [(String, Int?, [Int], Int, Int, [Int])])
    func `what is neither needed nor young nor among the newest goes`(
        states: String, live: Int?, history: [Int], keep: Int, days: Int, gone: [Int]
    ) throws {
        var retention = Retention()
        retention.keep = keep
        retention.keepFor = .seconds(days * 86_400)
        let record = try record(states, live: live, history: history)
        let now = Timestamp(milliseconds: Int64(states.count) * Self.day)
        #expect(retention.obsolete(in: record, at: now, busy: []).map(\.revision.number) == gone)
        retention.keepFor = .never
        #expect(retention.obsolete(in: record, at: now, busy: []).isEmpty)
    }

    @Test func `what still has instances stays`() throws {
        var retention = Retention()
        retention.keep = 0
        retention.keepFor = .seconds(0)
        let record = try record("rrrr", live: 4, history: [1, 2, 3, 4])
        let now = Timestamp(milliseconds: 100 * Self.day)
        #expect(retention.obsolete(in: record, at: now, busy: [1]).map(\.revision.number) == [2])
    }
}

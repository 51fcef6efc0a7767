import Contract

/// Judges a canary by how its requests end. A value without I/O: it is told numbers, and says when it is enough.
///
/// It looks at so many requests together as its bound says, and begins anew when those were good enough: what is long past neither excuses nor
/// condemns. When more have failed than may of a whole lot, nothing that follows could make up for it, and it does not wait for the rest.
struct CanaryJudge: Sendable, Hashable {
    private let bound: StepBack
    private var ended = 0
    private var failed = 0

    init(_ bound: StepBack) { self.bound = bound }

    /// `ended` more requests are over, of which `failed` failed; returns why it is enough, as a part of a sentence.
    mutating func note(ended more: Int, failed bad: Int) -> String? {
        ended += more
        failed += bad
        let looked = max(ended, bound.requests)
        if Double(failed) * 100 > bound.percent * Double(looked) {
            return "\(failed) of \(ended) requests failed, which is more than \(bound.percentText) % of \(looked)"
        }
        if ended >= bound.requests { (ended, failed) = (0, 0) }
        return nil
    }
}

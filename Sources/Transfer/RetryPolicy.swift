/// How often and when a request is sent again.
package struct RetryPolicy: Sendable, Hashable {
    /// How many times the request is sent at most, the first included.
    package var attempts: Int
    /// The longest pause before the second attempt; it doubles with each further one. The pause is drawn between half
    /// and all of it.
    package var firstPause: Duration
    /// The longest pause that doubling leads to.
    package var longestPause: Duration
    /// When to stop: no pause is begun that would end later than this after the first attempt began, even if
    /// `Retry-After` asks for it.
    package var deadline: Duration
    /// The statuses after which it is sent again.
    package var statuses: Set<Int>

    /// By default 4 attempts within 30 s, pausing 100 ms at first.
    package init(
        attempts: Int = 4, firstPause: Duration = .milliseconds(100), longestPause: Duration = .seconds(5),
        deadline: Duration = .seconds(30), statuses: Set<Int> = RetryPolicy.statuses
    ) {
        self.attempts = attempts
        self.firstPause = firstPause
        self.longestPause = longestPause
        self.deadline = deadline
        self.statuses = statuses
    }

    /// Never again.
    package static let never = RetryPolicy(attempts: 1)

    /// The statuses that say "later", not "no".
    package static let statuses: Set<Int> = [408, 429, 499, 500, 502, 503, 504, 522]
}

import CCurl

/// The decisions of a ``RetryPolicy`` over the attempts of one request. Without I/O and clock: both are passed in.
package struct RetrySchedule {
    /// How an attempt ended.
    package enum Outcome {
        /// With an answer of this status, and this `Retry-After`.
        case answer(status: Int, retryAfter: String?)
        /// Without an answer.
        case failure(TransferError)
    }

    private let policy: RetryPolicy
    private var attempt = 1
    private var longest: Duration

    /// The first attempt is about to begin.
    package init(_ policy: RetryPolicy) {
        self.policy = policy
        longest = policy.firstPause
    }

    /// How long to pause before the next attempt; `nil` if there is to be none. `elapsed` is the time since the first
    /// attempt began, `fraction` a random number from 0 to 1, `now` the seconds since 1970.
    package mutating func pause(after outcome: Outcome, elapsed: Duration, fraction: Double, now: Int) -> Duration? {
        guard attempt < policy.attempts else { return nil }
        var pause = longest * (0.5 + fraction / 2)
        switch outcome {
        case .failure(let error):
            guard error.isTransient else { return nil }
        case .answer(let status, let retryAfter):
            guard policy.statuses.contains(status) else { return nil }
            if let retryAfter, let asked = Self.seconds(retryAfter, now: now) { pause = max(pause, .seconds(asked)) }
        }
        guard elapsed + pause <= policy.deadline else { return nil }
        attempt += 1
        longest = min(longest * 2, policy.longestPause)
        return pause
    }

    /// `Retry-After` in seconds: a number, or a date (RFC 9110 §10.2.3).
    static func seconds(_ value: String, now: Int) -> Int? {
        if value.utf8.allSatisfy({ (48...57).contains($0) }) { return Int(value) }
        let date = curl_getdate(value, nil)
        return date < 0 ? nil : max(0, Int(date) - now)
    }
}

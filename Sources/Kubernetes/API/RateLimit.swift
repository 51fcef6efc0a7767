/// A token bucket that keeps one client from flooding the API server.
///
/// A value without clock: each call is given the time and told how long to wait. Calls wait in the order in which they asked.
struct RateLimit: Sendable {
    private let perSecond: Double
    private let burst: Double
    private var tokens: Double
    private var last: Duration?

    /// On average `perSecond` calls, at most `burst` at once.
    init(perSecond: Int, burst: Int) {
        self.perSecond = Double(max(1, perSecond))
        self.burst = Double(max(1, burst))
        tokens = self.burst
    }

    /// A call is about to be made at `now` (on any clock that only rises): how long it has to wait.
    mutating func take(at now: Duration) -> Duration {
        if let last, now > last { tokens = min(burst, tokens + (now - last) / .seconds(1) * perSecond) }
        last = max(last ?? now, now)
        tokens -= 1
        return tokens >= 0 ? .zero : .seconds(1) * (-tokens / perSecond)
    }
}

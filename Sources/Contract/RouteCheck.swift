/// What a Deployer asks a Router that it does not feed (`POST /internal/routed`): whether every request for a function is routed as it
/// has recorded, and what has left has no request under way any more.
///
/// The Router answers 204 as soon as that is so, or 409 after ``waitMilliseconds``.
package struct RouteCheck: Hashable, Sendable, Codable {
    /// The function.
    package var function: FunctionName
    /// The revision that `/fn/NAME` is to be routed to; `nil` for none.
    package var live: Int?
    /// The other revisions that are to answer under `/fn/NAME@R`.
    package var pinned: Set<Int>
    /// Endpoints that are to have no request of the Router's, by their ids.
    package var without: Set<String>
    /// How `/fn/NAME` is divided while ``live`` is one of several; absent while it has all of the traffic.
    package var shares: [TrafficSplit.Share]?
    /// How long the answer may take, in milliseconds; at most 30,000.
    package var waitMilliseconds: Int

    /// Whether `function` is routed to `live`, and `pinned` by number, and none of `without` has requests.
    package init(
        function: FunctionName, live: Int?, pinned: Set<Int> = [], without: Set<String> = [],
        shares: [TrafficSplit.Share]? = nil, waitMilliseconds: Int = 0
    ) {
        self.shares = shares
        self.function = function
        self.live = live
        self.pinned = pinned
        self.without = without
        self.waitMilliseconds = waitMilliseconds
    }
}

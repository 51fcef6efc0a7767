/// Everything the Router knows: an immutable snapshot, swapped whole.
package struct RouteTable: Sendable, Equatable {
    /// What the Router has acknowledged when it reports this version.
    package var version: TableVersion
    /// The functions by name.
    package var routes: [FunctionName: Route]

    /// A table with these routes.
    package init(version: TableVersion, routes: [FunctionName: Route]) {
        self.version = version
        self.routes = routes
    }

    /// The table after `update`.
    package mutating func apply(_ update: RouteUpdate) {
        version = update.version
        for (name, route) in update.changed { routes[name] = route }
        for name in update.removed { routes[name] = nil }
    }
}

/// The version of a route table: comparable only within one run of the Deployer.
package struct TableVersion: Hashable, Sendable, Codable {
    /// Names the run of the Deployer that counts; another epoch means another count.
    package let epoch: String
    /// Rises by one with every change.
    package let number: Int

    /// Version `number` of the run `epoch`.
    package init(epoch: String, number: Int) {
        self.epoch = epoch
        self.number = number
    }
}

/// How requests for one function are routed.
package struct Route: Hashable, Sendable, Codable {
    /// The revisions that share the traffic of `/fn/NAME`, by weight. Empty: nothing serves.
    package var targets: [RouteTarget]
    /// Revisions that answer only under `/fn/NAME@R`.
    package var pinned: [RouteTarget]
    /// What keeps a client on its revision while there are several targets; absent: each request is drawn anew.
    package var sticky: Stickiness?

    /// A route to `targets`, and to `pinned` by number.
    package init(targets: [RouteTarget], pinned: [RouteTarget] = [], sticky: Stickiness? = nil) {
        self.sticky = sticky
        self.targets = targets
        self.pinned = pinned
    }
}

/// One revision as a destination.
package struct RouteTarget: Hashable, Sendable, Codable {
    /// The revision's number.
    package var revision: Int
    /// Its share of the traffic, relative to the other targets' weights; 0 gets none.
    package var weight: Int
    /// The longest a request may take in whole, in milliseconds.
    package var timeoutMilliseconds: Int
    /// How many requests one endpoint is sent at a time.
    package var concurrency: Int
    /// The instances that accept requests now. Empty: they start, or start again after a crash, or the revision is parked.
    package var endpoints: [Endpoint]
    /// What is known about why there are no endpoints.
    package var notice: RouteNotice?
    /// Which pages may call it from a browser; absent: that is left to the function itself.
    package var cors: CORSPolicy?

    /// Revision `revision` at `endpoints`.
    package init(
        revision: Int, weight: Int, timeoutMilliseconds: Int, concurrency: Int, endpoints: [Endpoint],
        notice: RouteNotice? = nil, cors: CORSPolicy? = nil
    ) {
        self.revision = revision
        self.weight = weight
        self.timeoutMilliseconds = timeoutMilliseconds
        self.concurrency = concurrency
        self.endpoints = endpoints
        self.notice = notice
        self.cors = cors
    }
}

/// Why a revision has no instance.
package enum RouteNotice: Hashable, Sendable, Codable {
    /// One is going to be there: requests wait, and one that has waited too long is answered 503 with this sentence.
    case waiting(String)
    /// It did not start: until this notice goes, requests are answered 502 with this sentence.
    case failed(String)
}

/// A change of a route table.
package struct RouteUpdate: Hashable, Sendable, Codable {
    /// The version that the change leads to; it follows directly on the one before.
    package var version: TableVersion
    /// Functions that are new or different.
    package var changed: [FunctionName: Route]
    /// Functions that are gone.
    package var removed: [FunctionName]

    /// The change that leads to `version`.
    package init(version: TableVersion, changed: [FunctionName: Route], removed: [FunctionName]) {
        self.version = version
        self.changed = changed
        self.removed = removed
    }
}

/// One line of the Deployer's route stream (`GET /internal/routes`, newline-delimited JSON).
package enum RouteMessage: Hashable, Sendable, Codable {
    /// The whole table: the first line, and whenever the stream starts anew.
    case snapshot(version: TableVersion, routes: [FunctionName: Route])
    /// What changed since the line before.
    case update(RouteUpdate)
    /// Nothing changed; sent every few seconds so that a dead peer is noticed.
    case heartbeat
}

/// What a Router tells the Deployer (`POST /internal/routers/ID/status`) after applying a table and whenever an endpoint that left
/// the table has finished its last request.
package struct RouterStatus: Hashable, Sendable, Codable {
    /// The table that every new request is routed by.
    package var version: TableVersion
    /// Endpoints no longer in the table that still have requests of this Router in flight.
    package var busy: [String]

    /// A Router that routes by `version` while `busy` endpoints finish.
    package init(version: TableVersion, busy: [String]) {
        self.version = version
        self.busy = busy
    }
}

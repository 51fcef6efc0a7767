/// What one event loop counts: by function, and what belongs to none.
struct WorkerCounters {
    /// The value of the label `function` for those beyond the limit; no function can be called so.
    static let others = "_other"

    /// What belongs to no function.
    var totals = WorkerFigures()
    private var functions: ContiguousArray<FunctionCounters?> = []
    private var beyond: FunctionCounters?
    private let limit: Int

    /// Counters for at most `limit` functions by name.
    init(limit: Int) { self.limit = limit }

    /// The Router answers a request itself.
    mutating func refused(_ reason: Reason) { totals.refusals[reason, default: 0] += 1 }

    /// The counters of the function that `route` is of.
    mutating func counters(of route: FunctionRoute) -> FunctionCounters {
        let slot = route.slot
        if slot < functions.count, let known = functions[slot] { return known }
        return make(slot, route.name)
    }

    private mutating func make(_ slot: Int, _ name: String) -> FunctionCounters {
        guard slot < limit else {
            let shared = beyond ?? FunctionCounters(Self.others)
            beyond = shared
            return shared
        }
        while functions.count <= slot { functions.append(nil) }
        let made = FunctionCounters(name)
        functions[slot] = made
        return made
    }

    /// Forgets functions that are gone: their places are given to others.
    mutating func forget(_ slots: [Int]) {
        for slot in slots where slot < functions.count { functions[slot] = nil }
    }

    /// A copy.
    func figures(clients: Int, idle: Int) -> WorkerFigures {
        var figures = totals
        figures.openConnections = clients
        figures.idleUpstreams = idle
        for counters in functions {
            if let counters { figures.functions[counters.function] = counters.figures }
        }
        if let beyond { figures.functions[beyond.function] = beyond.figures }
        return figures
    }
}

/// What ``WorkerCounters`` have counted; to be added up over the event loops.
struct WorkerFigures: Sendable {
    /// Connections accepted.
    var connections = 0
    /// Requests sent once more.
    var retries = 0
    /// Dials that failed.
    var dialFailures = 0
    /// Responses broken off after their head, and tunnels, by reason.
    var cuts: [Cut: Int] = [:]
    /// Connections that speak HTTP/2, requests on them, and faults of HTTP/2's own.
    var http2Connections = 0
    var http2Streams = 0
    var http2Faults: [ConnectionFault: Int] = [:]
    /// Handshakes of TLS that were completed, and that were not.
    var handshakes = 0
    var handshakeFailures: [HandshakeFailure: Int] = [:]
    /// Connections turned into tunnels.
    var tunnels = 0
    /// Preflights answered in the place of functions.
    var preflights = 0
    /// Management requests begun.
    var managementRequests = 0
    /// Answers of the Router's own, by reason.
    var refusals: [Reason: Int] = [:]
    /// Connections of clients open now.
    var openConnections = 0
    /// Connections to instances that wait for a request now.
    var idleUpstreams = 0
    /// By function.
    var functions: [String: FunctionFigures] = [:]

    /// Adds another loop's.
    mutating func add(_ other: Self) {
        connections += other.connections
        retries += other.retries
        dialFailures += other.dialFailures
        cuts.merge(other.cuts, uniquingKeysWith: +)
        http2Connections += other.http2Connections
        http2Streams += other.http2Streams
        http2Faults.merge(other.http2Faults, uniquingKeysWith: +)
        handshakes += other.handshakes
        handshakeFailures.merge(other.handshakeFailures, uniquingKeysWith: +)
        tunnels += other.tunnels
        preflights += other.preflights
        managementRequests += other.managementRequests
        refusals.merge(other.refusals, uniquingKeysWith: +)
        openConnections += other.openConnections
        idleUpstreams += other.idleUpstreams
        for (name, figures) in other.functions { functions[name, default: FunctionFigures()].add(figures) }
    }
}

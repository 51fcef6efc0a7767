import NIOCore

/// An endpoint as one event loop knows it: its idle connections, and whether it may be dialled.
final class LoopEndpoint {
    let shared: SharedEndpoint
    var health = DialHealth()
    /// The last one used is the first one used again: the others grow old and are closed.
    private var idle: [UpstreamHandler] = []
    /// Whether it has left the table that this loop routes by.
    private(set) var isClosed = false

    init(_ shared: SharedEndpoint) { self.shared = shared }

    /// How many idle connections there are.
    var idleCount: Int { idle.count }

    /// Whether a request could be sent now.
    func isAvailable(at now: NIODeadline) -> Bool { !idle.isEmpty || health.mayDial(at: now) }

    /// An idle connection, if there is one.
    func takeIdle() -> UpstreamHandler? { idle.popLast() }

    /// Keeps a connection for the next request; `false`: it is not wanted.
    func keep(_ connection: UpstreamHandler, limit: Int) -> Bool {
        guard !isClosed, idle.count < limit else { return false }
        idle.append(connection)
        return true
    }

    /// Forgets an idle connection that has ended.
    func forget(_ connection: UpstreamHandler) {
        if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
    }

    /// Closes the idle connections: they may be as stale as the one that just failed.
    func closeIdle() {
        let connections = idle
        idle = []
        for connection in connections { connection.close() }
    }

    /// The endpoint has left the table.
    func leave() {
        isClosed = true
        closeIdle()
    }
}

/// A place at an endpoint that a request has been given; it is given back exactly once.
struct Assignment {
    /// What it is an assignment to.
    enum Kind {
        case function(FunctionRoute)
        case role
    }

    let endpoint: LoopEndpoint
    let kind: Kind
    /// How long the response's head may take.
    let timeout: TimeAmount
    /// Where its end is counted besides, if it is.
    var outcomes: OutcomeCounter?
    /// The number of the function's revision.
    var revision: Int?
    /// What the answer has for pages of other origins.
    var cors: CORSFields?
}

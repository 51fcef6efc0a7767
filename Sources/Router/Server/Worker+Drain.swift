import NIOCore

/// How far a worker is with stopping.
enum DrainPhase: Equatable {
    case serving
    /// `/readyz` fails, and responses end their connections: who sends the next request finds another Router.
    case unready
    /// Connections end when they are idle, and none is kept to an instance.
    case ending
}

extension Worker {
    /// Idle connections kept to one endpoint.
    var poolLimit: Int { drain == .ending ? 0 : settings.configuration.limits.pooled }

    /// Counts a new client connection; `false`: there are too many.
    /// One that takes the place of `former`, which was admitted, always may.
    func admit(_ client: any ClientConnection, succeeding former: (any ClientConnection)? = nil) -> Bool {
        let limit = max(1, settings.configuration.limits.connections / settings.loops)
        clients[ObjectIdentifier(client)] = client
        if let former {
            clients[ObjectIdentifier(former)] = nil
            return true
        }
        counters.totals.connections += 1
        return clients.count <= limit
    }

    /// Forgets a client connection that has ended.
    func leave(_ client: any ClientConnection) {
        guard clients.removeValue(forKey: ObjectIdentifier(client)) != nil, clients.isEmpty else { return }
        for promise in drained { promise.succeed() }
        drained = []
    }

    /// Fails readiness.
    func beginDrain() { if drain == .serving { drain = .unready } }

    /// Ends connections as they become idle; the promise is fulfilled when none is left.
    func endConnections(_ promise: EventLoopPromise<Void>) {
        drain = .ending
        guard !clients.isEmpty else { return promise.succeed() }
        drained.append(promise)
        for client in clients.values { client.drainBegan() }
    }

    /// Closes what is still open.
    func closeConnections(tunnelsToo: Bool) {
        for client in Array(clients.values) { client.stop(tunnelsToo: tunnelsToo) }
    }

    /// Closes idle connections to instances and roles.
    func closePools() {
        for endpoint in endpoints.values { endpoint.closeIdle() }
    }
}

extension ClientHandler: ClientConnection {
    /// Whether bytes just pass through.
    var isTunnel: Bool { if case .tunnel = phase { true } else { false } }

    func refuseWithoutProxyHeader() { answer(.noProxyHeader) }

    func stop(tunnelsToo: Bool) {
        guard tunnelsToo || !isTunnel else { return }
        countCut(.stopping)
        close()
    }

    /// An idle connection is given a moment, for a request that may be on its way.
    func drainBegan() {
        if case .idle = phase, wait == .nextRequest || wait == .firstRequest { wait(for: .nextRequest) }
    }
}

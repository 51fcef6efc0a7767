import Contract
import NIOCore

/// What a request is for: requests with the same key wait in one queue.
enum HoldKey: Hashable {
    case function(String, Aim)
    case role(Role)
}

/// The roles behind the management calls.
enum Role: Hashable { case builder, deployer, observer }

/// Requests that wait for an instance, on one event loop.
struct Hold {
    var queue = HoldQueue<ClientHandler>()
    /// Where they are counted.
    var room: WaitingRoom
    /// When the queue is looked at next because an endpoint's rest ends then.
    var wake: NIODeadline?
}

extension Worker {
    /// What can be done with a request now.
    enum Choice {
        case assigned(Assignment)
        case refused(Reason, detail: String? = nil)
        /// It has to be drawn first which revision it is for.
        case divided(FunctionRoute)
        /// It waits; `until` an endpoint has rested, or something changes.
        case wait(WaitingRoom, until: NIODeadline?)
    }

    /// Finds a place for a request of `client`, or lets it wait. `again`: it had its turn, and comes before all others.
    func seek(_ key: HoldKey, for client: ClientHandler, again: Bool) {
        if !again, let room = roomOfQueue(key) { return wait(key, room, nil, client, again: false) }
        switch choose(key) {
        case .assigned(let assignment): client.assigned(assignment)
        case .refused(let reason, let detail): client.refused(reason, detail)
        case .divided(let route): draw(route, for: client)
        case .wait(let room, let until): wait(key, room, until, client, again: again)
        }
    }

    /// Draws which of the revisions that share the traffic of `route` gets the request of `client`.
    private func draw(_ route: FunctionRoute, for client: ClientHandler) {
        if let number = stickyRevision(route, client) {
            let key = HoldKey.function(route.name, .drawn(number))
            client.request?.key = key
            return seek(key, for: client, again: false)
        }
        guard case .success(let target) = route.target(.any, draw: draw) else {
            return client.refused(.nothingServes, nil)
        }
        let key = HoldKey.function(route.name, .drawn(target.revision))
        client.request?.key = key
        seek(key, for: client, again: false)
    }

    /// A request no longer waits.
    func abandon(_ key: HoldKey, _ ticket: HoldQueue<ClientHandler>.Ticket) {
        guard var hold = take(key) else { return }
        if hold.queue.remove(ticket) != nil { hold.room.leave() }
        store(hold, key)
    }

    /// Gives waiting requests what there is now.
    func pump(_ key: HoldKey) {
        while roomOfQueue(key) != nil {
            switch choose(key) {
            case .assigned(let assignment): popFirst(key)?.assigned(assignment)
            case .refused(let reason, let detail): popFirst(key)?.refused(reason, detail)
            case .divided(let route): if let client = popFirst(key) { draw(route, for: client) }
            case .wait(_, let until): return schedule(key, until)
            }
        }
    }

    /// Gives waiting requests for `function`, under whatever revision, what there is now.
    func pump(function: String) {
        for key in heldKeys[function] ?? [] { pump(key) }
    }

    /// Looks at the queues that share an endpoint with `key`: one that waited for the outcome of a dial is among them.
    func pump(besides key: HoldKey) {
        if case .function(let name, _) = key { pump(function: name) } else { pump(key) }
    }

    /// Looks at every queue.
    func pumpAll() {
        for key in Array(holds.keys) { pump(key) }
    }

    /// Gives back the place of a finished request.
    func release(_ assignment: Assignment) {
        if assignment.endpoint.shared.release() { reports.settled() }
        guard case .function(let route) = assignment.kind else { return }
        let waiting = route.waiting.waitingLoops
        guard waiting != 0 else { return }
        let own: UInt64 = 1 << UInt64(index)
        if waiting & own != 0 { pump(function: route.name) }
        if waiting & ~own != 0 { reports.wake(waiting & ~own, route.name) }
    }

    /// Lets `lost`, which ended with a request that may be sent again, rest if another endpoint can be tried for `key` now; says
    /// whether one can.
    func rest(_ lost: LoopEndpoint, inFavourOf key: HoldKey?) -> Bool {
        guard case .function(let name, let aim) = key,
            case .success(let target) = snapshot?.routes[name]?.target(aim, draw: draw)
        else { return false }
        let now = NIODeadline.now()
        let others = target.endpoints.contains { $0 !== lost.shared && endpoint($0).isAvailable(at: now) }
        if others { lost.health.failed(at: now, draw: draw) }
        return others
    }

    // MARK: Choosing

    private func choose(_ key: HoldKey) -> Choice {
        switch key {
        case .role(let role): chooseRole(role)
        case .function(let name, let aim): chooseInstance(name, aim)
        }
    }

    private func chooseInstance(_ name: String, _ aim: Aim) -> Choice {
        guard let snapshot else { return .wait(settings.lobby, until: nil) }
        guard let route = snapshot.routes[name] else { return .refused(.unknownFunction) }
        if route.isDivided, aim == .any { return .divided(route) }
        switch route.target(aim, draw: draw) {
        case .failure(let reason): return .refused(reason)
        case .success(let target): return choose(target, of: route)
        }
    }

    private func choose(_ target: FunctionRoute.Target, of route: FunctionRoute) -> Choice {
        if target.endpoints.isEmpty, case .failed(let sentence) = target.notice {
            return .refused(.startFailed, detail: sentence)
        }
        let now = self.now
        while true {
            let chosen = Balancer.choose(
                target.endpoints.count,
                load: { index in
                    let shared = target.endpoints[index]
                    let load = shared.load
                    guard load < target.concurrency else { return nil }
                    return endpoint(shared).isAvailable(at: now) ? load : nil
                },
                draw: draw
            )
            guard let chosen else { break }
            let shared = target.endpoints[chosen]
            // Another loop may have taken the last place meanwhile: look again.
            guard shared.acquire(limit: target.concurrency) else { continue }
            return .assigned(
                Assignment(
                    endpoint: endpoint(shared), kind: .function(route), timeout: target.timeout,
                    outcomes: target.outcomes, revision: target.revision, cors: target.cors)
            )
        }
        let rests = target.endpoints.compactMap { endpoint($0).health.restsUntil }.min()
        return .wait(route.waiting, until: rests)
    }

    private func chooseRole(_ role: Role) -> Choice {
        let chosen =
            switch role {
            case .builder: settings.builder
            case .deployer: settings.deployer
            case .observer: settings.observer
            }
        guard let shared = chosen else { return .refused(.notFound) }
        let endpoint = endpoint(shared)
        guard endpoint.isAvailable(at: .now()) else { return .wait(settings.lobby, until: endpoint.health.restsUntil) }
        _ = shared.acquire(limit: .max)
        return .assigned(Assignment(endpoint: endpoint, kind: .role, timeout: settings.timeouts.management))
    }

    // MARK: Waiting

    /// The room of a queue in which someone waits. (A copy of the queue itself would make its next change copy all of
    /// it.)
    func roomOfQueue(_ key: HoldKey) -> WaitingRoom? { holds[key].flatMap { $0.queue.isEmpty ? nil : $0.room } }

    /// Requests that came before there was a table move from the common room to their function's.
    func assignRooms() {
        guard let snapshot else { return }
        for (key, hold) in holds {
            guard case .function(let name, _) = key, let route = snapshot.routes[name] else { continue }
            for _ in 0..<hold.queue.count {
                hold.room.leave()
                _ = route.waiting.enter(limit: .max)
            }
            holds[key]?.room = route.waiting
            route.waiting.announce(index)
        }
    }

    private func wait(_ key: HoldKey, _ room: WaitingRoom, _ until: NIODeadline?, _ client: ClientHandler, again: Bool)
    {
        let room = roomOfQueue(key) ?? room
        // One that had a place already isn't turned away for want of room.
        guard room.enter(limit: again ? .max : settings.configuration.limits.held) else {
            return client.refused(isServed(key) ? .tooManyRequests : .queueFull, nil)
        }
        var hold = take(key) ?? Hold(room: room)
        let first = hold.queue.isEmpty
        let ticket = again ? hold.queue.prepend(client) : hold.queue.append(client)
        store(hold, key)
        client.holding(key, ticket)
        if first, case .function(let name, _) = key, snapshot?.routes[name] != nil {
            // Announce, then look once more: a place may have become free in between.
            room.announce(index)
            pump(key)
            callForInstance(key)
        }
        if let until { schedule(key, until) }
    }

    /// Whether what requests of `key` wait for has an instance: then they wait because of the limit of concurrency.
    private func isServed(_ key: HoldKey) -> Bool {
        guard case .function(let name, let aim) = key,
            case .success(let target) = snapshot?.routes[name]?.target(aim, draw: draw)
        else { return false }
        return !target.endpoints.isEmpty
    }

    private func popFirst(_ key: HoldKey) -> ClientHandler? {
        guard var hold = take(key) else { return nil }
        let client = hold.queue.popFirst()
        if client != nil { hold.room.leave() }
        store(hold, key)
        return client
    }

    /// Takes a queue out to change it; as long as it is in the dictionary too, a change would copy it.
    private func take(_ key: HoldKey) -> Hold? { holds.removeValue(forKey: key) }

    private func store(_ hold: Hold, _ key: HoldKey) {
        let isEmpty = hold.queue.isEmpty
        if !isEmpty { holds[key] = hold }
        guard case .function(let name, _) = key else { return }
        if !isEmpty {
            heldKeys[name, default: []].insert(key)
        } else if heldKeys[name]?.remove(key) != nil, heldKeys[name]?.isEmpty == true {
            heldKeys[name] = nil
            hold.room.withdraw(index)
        }
    }

    private func schedule(_ key: HoldKey, _ until: NIODeadline?) {
        guard let until, roomOfQueue(key) != nil else { return }
        if let wake = holds[key]?.wake, wake <= until { return }
        holds[key]?.wake = until
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        eventLoop.scheduleTask(deadline: until) {
            bound.value.holds[key]?.wake = nil
            bound.value.pump(key)
        }
    }
}

import Contract
import NIOCore

/// An immutable view of the route table, as the event loops read it.
final class RouteSnapshot: Sendable {
    let version: TableVersion
    let routes: [String: FunctionRoute]

    init(version: TableVersion, routes: [String: FunctionRoute]) {
        self.version = version
        self.routes = routes
    }
}

/// Turns route tables into snapshots, carrying over what event loops share about endpoints that stay.
///
/// The cost follows what changed: the routes' dictionary is copied once per table, and only changed routes are made
/// anew.
struct RouteBook {
    /// What a table changed.
    struct Change {
        let snapshot: RouteSnapshot
        /// Functions whose route is new, different or gone.
        let functions: [String]
        /// Endpoints that are in no route any more.
        let left: [SharedEndpoint]
        /// Endpoints that are back before they had finished.
        let returned: [SharedEndpoint]
        /// Places of functions that are gone, see ``FunctionRoute/slot``.
        let vacated: [Int]
    }

    private var table: RouteTable?
    private var routes: [String: FunctionRoute] = [:]
    private var nextSerial = 0
    private var slots = SlotPool()

    /// Whether a table has been applied.
    var isEmpty: Bool { table == nil }

    /// The functions that are routed.
    var functions: [String: FunctionRoute] { routes }

    /// Replaces the table. `leaving` are the endpoints of earlier tables that still have requests.
    mutating func apply(_ new: RouteTable, leaving: [SharedEndpoint]) -> Change {
        var builder = ChangeBuilder(leaving: leaving)
        let old = table?.routes ?? [:]
        for name in old.keys where new.routes[name] == nil { remove(name, &builder) }
        for (name, route) in new.routes where old[name] != route { replace(name, route, &builder) }
        table = new
        return builder.change(RouteSnapshot(version: new.version, routes: routes))
    }

    /// Changes the table; `nil` when there is none to change.
    mutating func apply(_ update: RouteUpdate, leaving: [SharedEndpoint]) -> Change? {
        guard table != nil else { return nil }
        var builder = ChangeBuilder(leaving: leaving)
        for name in update.removed where table?.routes[name] != nil { remove(name, &builder) }
        for (name, route) in update.changed where table?.routes[name] != route { replace(name, route, &builder) }
        table?.apply(update)
        return builder.change(RouteSnapshot(version: update.version, routes: routes))
    }

    private mutating func replace(_ name: FunctionName, _ route: Route, _ builder: inout ChangeBuilder) {
        let old = routes[name.value]
        builder.depart(old)
        let isDivided = route.targets.count > 1
        let made = FunctionRoute(
            name,
            targets: route.targets.map { new in
                var made = target(new, &builder)
                let known = old?.targets.first { $0.revision == new.revision }?.outcomes
                made.outcomes = isDivided ? known ?? OutcomeCounter() : nil
                return made
            },
            pinned: route.pinned.map { target($0, &builder) },
            waiting: old?.waiting ?? WaitingRoom(),
            slot: old?.slot ?? slots.take(),
            sticky: isDivided ? route.sticky.map { StickyDraw($0, of: name) } : nil
        )
        routes[name.value] = made
        builder.functions.append(name.value)
    }

    private mutating func remove(_ name: FunctionName, _ builder: inout ChangeBuilder) {
        let old = routes.removeValue(forKey: name.value)
        builder.depart(old)
        if let old {
            slots.giveBack(old.slot)
            builder.vacated.append(old.slot)
        }
        builder.functions.append(name.value)
    }

    private mutating func target(_ target: RouteTarget, _ builder: inout ChangeBuilder) -> FunctionRoute.Target {
        FunctionRoute.Target(
            revision: target.revision,
            weight: target.weight,
            timeout: .milliseconds(Int64(max(1, target.timeoutMilliseconds))),
            concurrency: max(1, target.concurrency),
            endpoints: target.endpoints.map { endpoint in
                if let known = builder.arrive(endpoint) { return known }
                nextSerial += 1
                let made = SharedEndpoint(endpoint, serial: nextSerial)
                builder.add(made)
                return made
            },
            notice: target.notice,
            cors: target.cors.map { CORSFields($0) }
        )
    }
}

/// Numbers from 0 up, the lowest free one first.
private struct SlotPool {
    private var free: Set<Int> = []
    private var next = 0

    mutating func take() -> Int {
        if let lowest = free.min() {
            free.remove(lowest)
            return lowest
        }
        next += 1
        return next - 1
    }

    mutating func giveBack(_ slot: Int) { free.insert(slot) }
}

/// Which endpoints leave and which stay while routes are replaced.
private struct ChangeBuilder {
    var functions: [String] = []
    var vacated: [Int] = []
    private var departed: [Endpoint: SharedEndpoint] = [:]
    private var arrived: [Endpoint: SharedEndpoint] = [:]
    private var returned: [SharedEndpoint] = []
    private let leaving: [SharedEndpoint]

    init(leaving: [SharedEndpoint]) { self.leaving = leaving }

    mutating func depart(_ route: FunctionRoute?) {
        guard let route else { return }
        for target in route.targets + route.pinned {
            for endpoint in target.endpoints { departed[endpoint.endpoint] = endpoint }
        }
    }

    mutating func arrive(_ endpoint: Endpoint) -> SharedEndpoint? {
        if let known = arrived[endpoint] { return known }
        if let known = departed[endpoint] {
            arrived[endpoint] = known
            return known
        }
        if let known = leaving.first(where: { $0.endpoint == endpoint }) {
            arrived[endpoint] = known
            returned.append(known)
            return known
        }
        return nil
    }

    mutating func add(_ endpoint: SharedEndpoint) { arrived[endpoint.endpoint] = endpoint }

    func change(_ snapshot: RouteSnapshot) -> RouteBook.Change {
        RouteBook.Change(
            snapshot: snapshot,
            functions: functions,
            left: departed.values.filter { arrived[$0.endpoint] == nil },
            returned: returned,
            vacated: vacated
        )
    }
}

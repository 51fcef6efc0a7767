import Contract

/// The route table that a cluster's objects make: functions say which revision serves, revisions how, EndpointSlices where.
///
/// A value without I/O. Nothing is told before all three tables are complete, so that a Router never answers 404 for a function that it
/// has not heard of yet.
package struct ClusterRoutes: Sendable {
    /// A change of one of the tables.
    package enum Change: Sendable {
        /// Of the functions.
        case function(TableChange<RoutedFunction>)
        /// Of the revisions.
        case revision(TableChange<RoutedRevision>)
        /// Of the slices.
        case slice(TableChange<EndpointSlice>)
    }

    private struct Function {
        var live: Int?
        var revisions: [Int: RoutedRevision] = [:]
        var slices: [Int: [ObjectKey: EndpointSlice]] = [:]
        var isThere = false
        /// The revision that the traffic goes to.
        var routed: Int?

        var isEmpty: Bool { !isThere && revisions.isEmpty && slices.isEmpty }

        /// Moves the traffic to what is live. The three tables come by watches of their own, each of which may be behind: while a revision
        /// that has become live, or where it is, has not been heard of yet, the one before it goes on as long as it takes requests.
        mutating func move() {
            if isThere, let live, let routed, routed != live, revisions[routed] != nil, !ready(routed).isEmpty,
                revisions[live] == nil || addresses(live).isEmpty
            {
                return
            }
            routed = live
        }

        private func ready(_ number: Int) -> [Endpoint] {
            EndpointSlice.endpoints(of: (slices[number] ?? [:]).values, port: FunctionLabels.port)
        }

        /// Where revision `number` takes requests; at a cold start an address is known before the probe has seen the process listen, and
        /// that may be a whole period later.
        func addresses(_ number: Int) -> [Endpoint] {
            let ready = ready(number)
            return ready.isEmpty
                ? EndpointSlice.starting(of: (slices[number] ?? [:]).values, port: FunctionLabels.port) : ready
        }
    }

    private enum Table: Hashable { case functions, revisions, slices }

    private let epoch: String
    private var number = 0
    private var incomplete: Set<Table> = [.functions, .revisions, .slices]
    private var functions: [FunctionName: Function] = [:]
    private var told: [FunctionName: Route] = [:]

    /// An empty table, whose versions count in `epoch`.
    package init(epoch: String) { self.epoch = epoch }

    /// Notes a change; returns what the Router is to be told, if that changes anything for it.
    package mutating func note(_ change: Change) -> RouteMessage? {
        let name: FunctionName?
        switch change {
        case .function(.synced): return complete(.functions)
        case .revision(.synced): return complete(.revisions)
        case .slice(.synced): return complete(.slices)
        case .function(let change): name = note(change)
        case .revision(let change): name = note(change)
        case .slice(let change): name = note(change)
        }
        guard let name else { return nil }
        if functions[name]?.isEmpty == true { functions[name] = nil }
        guard incomplete.isEmpty else { return nil }
        functions[name]?.move()
        let route = route(of: name)
        guard route != told[name] else { return nil }
        told[name] = route
        number += 1
        return .update(
            RouteUpdate(
                version: TableVersion(epoch: epoch, number: number), changed: route.map { [name: $0] } ?? [:],
                removed: route == nil ? [name] : []))
    }

    private mutating func complete(_ table: Table) -> RouteMessage? {
        // Said again after a table had to be read anew: its changes have been told one by one.
        guard incomplete.remove(table) != nil, incomplete.isEmpty else { return nil }
        for name in Array(functions.keys) {
            functions[name]?.move()
            told[name] = route(of: name)
        }
        number += 1
        return .snapshot(version: TableVersion(epoch: epoch, number: number), routes: told)
    }

    private mutating func note(_ change: TableChange<RoutedFunction>) -> FunctionName? {
        switch change {
        case .added(let object), .changed(_, let object):
            guard let name = try? FunctionName(object.key.name) else { return nil }
            functions[name, default: Function()].isThere = object.metadata.deletionTimestamp == nil
            functions[name]?.live = object.status?.live
            return name
        case .removed(let object):
            guard let name = try? FunctionName(object.key.name) else { return nil }
            functions[name]?.isThere = false
            functions[name]?.live = nil
            return name
        case .synced: return nil
        }
    }

    private mutating func note(_ change: TableChange<RoutedRevision>) -> FunctionName? {
        switch change {
        case .added(let object), .changed(_, let object):
            guard let id = object.id else { return nil }
            functions[id.function, default: Function()].revisions[id.number] = object
            return id.function
        case .removed(let object):
            guard let id = object.id else { return nil }
            functions[id.function]?.revisions[id.number] = nil
            return id.function
        case .synced: return nil
        }
    }

    private mutating func note(_ change: TableChange<EndpointSlice>) -> FunctionName? {
        switch change {
        case .added(let slice), .changed(_, let slice):
            guard let id = RevisionID(labels: slice.metadata.labels) else { return nil }
            guard slice.endpoints?.isEmpty == false else { return drop(slice, id) }
            functions[id.function, default: Function()].slices[id.number, default: [:]][slice.key] = slice
            return id.function
        case .removed(let slice):
            guard let id = RevisionID(labels: slice.metadata.labels) else { return nil }
            return drop(slice, id)
        case .synced: return nil
        }
    }

    /// One without addresses is as good as none: most functions are parked.
    private mutating func drop(_ slice: EndpointSlice, _ id: RevisionID) -> FunctionName {
        functions[id.function]?.slices[id.number]?[slice.key] = nil
        if functions[id.function]?.slices[id.number]?.isEmpty == true {
            functions[id.function]?.slices[id.number] = nil
        }
        return id.function
    }

    /// How `name` is routed; `nil` when nothing of it has ever served. A live revision that has not been heard of yet has the default
    /// limits until it is.
    private func route(of name: FunctionName) -> Route? {
        guard let function = functions[name], function.isThere else { return nil }
        let live = function.routed.map { target($0, function.revisions[$0], function, 1) }
        let pinned = function.revisions.filter { $0.value.status?.pinned == true && $0.key != function.routed }
            .sorted { $0.key < $1.key }
            .map { target($0.key, $0.value, function, 0) }
        guard live != nil || !pinned.isEmpty else { return nil }
        return Route(targets: [live].compactMap(\.self), pinned: pinned)
    }

    private func target(
        _ number: Int, _ revision: RoutedRevision?, _ function: Function, _ weight: Int
    ) -> RouteTarget {
        let defaults = FunctionSpec()
        let configuration = revision?.spec?.configuration
        return RouteTarget(
            revision: number, weight: weight,
            timeoutMilliseconds: (configuration?.timeoutSeconds ?? defaults.timeoutSeconds) * 1000,
            concurrency: configuration?.concurrency ?? defaults.concurrency,
            endpoints: function.addresses(number))
    }
}

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
        case slice(TableChange<RoutedSlice>)
    }

    /// What is known of a function: thousands are kept in memory.
    private struct Function {
        var live: Int?
        var split: TrafficSplit?
        /// A few, in no order.
        var revisions: [RoutedRevision.Settings] = []
        /// By revision, those with addresses: most functions are parked.
        var slices: [Int: [ObjectKey: RoutedSlice]] = [:]
        var isThere = false
        /// The revisions that the traffic goes to.
        var routed: [TrafficSplit.Share] = []

        var isEmpty: Bool { !isThere && revisions.isEmpty && slices.isEmpty }

        func revision(_ number: Int) -> RoutedRevision.Settings? { revisions.first { $0.number == number } }

        mutating func note(_ settings: RoutedRevision.Settings) {
            if let index = revisions.firstIndex(where: { $0.number == settings.number }) {
                revisions[index] = settings
            } else {
                revisions.append(settings)
            }
        }

        /// Moves the traffic to what is live. The three tables come by watches of their own, each of which may be behind: while a revision
        /// that has become live, or where it is, has not been heard of yet, the one before it goes on as long as it takes requests.
        mutating func move() {
            let wanted = wanted
            guard routed != wanted else { return }
            let isAwaited = wanted.contains { share in
                !isRouted(share.revision) && (revision(share.revision) == nil || addresses(share.revision).isEmpty)
            }
            let serves = routed.contains { revision($0.revision) != nil && !ready($0.revision).isEmpty }
            if isThere, isAwaited, serves { return }
            routed = wanted
        }

        /// What is recorded: one alone has the weight 1.
        private var wanted: [TrafficSplit.Share] {
            guard let live else { return [] }
            let shares = split?.shares.filter { $0.percent > 0 } ?? []
            return shares.count > 1 ? shares : [TrafficSplit.Share(revision: live, percent: 1)]
        }

        func isRouted(_ number: Int) -> Bool { routed.contains { $0.revision == number } }

        private func ready(_ number: Int) -> [Endpoint] {
            RoutedSlice.endpoints(of: (slices[number] ?? [:]).values)
        }

        /// Where revision `number` takes requests; at a cold start an address is known before the probe has seen the process listen, and
        /// that may be a whole period later.
        func addresses(_ number: Int) -> [Endpoint] {
            guard let slices = slices[number]?.values else { return [] }
            let ready = RoutedSlice.endpoints(of: slices)
            return ready.isEmpty ? RoutedSlice.starting(of: slices) : ready
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
            guard let name = try? FunctionName(object.meta.name) else { return nil }
            functions[name, default: Function()].isThere = !object.isEnding
            functions[name]?.live = object.live
            functions[name]?.split = object.split
            return name
        case .removed(let object):
            guard let name = try? FunctionName(object.meta.name) else { return nil }
            functions[name]?.isThere = false
            functions[name]?.live = nil
            functions[name]?.split = nil
            return name
        case .synced: return nil
        }
    }

    private mutating func note(_ change: TableChange<RoutedRevision>) -> FunctionName? {
        switch change {
        case .added(let object), .changed(_, let object):
            guard let name = object.function else { return nil }
            functions[name, default: Function()].note(object.settings)
            return name
        case .removed(let object):
            guard let name = object.function else { return nil }
            functions[name]?.revisions.removeAll { $0.number == object.settings.number }
            return name
        case .synced: return nil
        }
    }

    private mutating func note(_ change: TableChange<RoutedSlice>) -> FunctionName? {
        switch change {
        case .added(let slice), .changed(_, let slice):
            guard let id = slice.revision else { return nil }
            guard !slice.pods.isEmpty else { return drop(slice, id) }
            functions[id.function, default: Function()].slices[id.number, default: [:]][slice.key] = slice
            return id.function
        case .removed(let slice):
            guard let id = slice.revision else { return nil }
            return drop(slice, id)
        case .synced: return nil
        }
    }

    /// One without addresses is as good as none: most functions are parked.
    private mutating func drop(_ slice: RoutedSlice, _ id: RevisionID) -> FunctionName {
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
        let targets = function.routed.map {
            target($0.revision, function.revision($0.revision), function, $0.percent)
        }
        let pinned = function.revisions.filter { settings in
            let answers = settings.isPinned || function.split?.percent(of: settings.number) == 0
            return answers && !function.isRouted(settings.number)
        }
        .sorted { $0.number < $1.number }
        .map { target($0.number, $0, function, 0) }
        guard !targets.isEmpty || !pinned.isEmpty else { return nil }
        return Route(targets: targets, pinned: pinned, sticky: targets.count > 1 ? function.split?.sticky : nil)
    }

    private func target(
        _ number: Int, _ settings: RoutedRevision.Settings?, _ function: Function, _ weight: Int
    ) -> RouteTarget {
        let defaults = FunctionSpec()
        return RouteTarget(
            revision: number, weight: weight,
            timeoutMilliseconds: (settings?.timeoutSeconds.map { Int($0) } ?? defaults.timeoutSeconds) * 1000,
            concurrency: settings?.concurrency.map { Int($0) } ?? defaults.concurrency,
            endpoints: function.addresses(number), cors: settings?.cors)
    }
}

import Contract
import FoundationEssentials
import Testing

@testable import Kubernetes

/// A Router's three watches, each cut after every single event and resumed in every way, while a function is deployed, rolled back and
/// deployed again: no route is lost in between, and in the end the table is the truth.
@Suite struct RouteReplayTests {
    /// How a watch that was cut goes on.
    enum Cut: CaseIterable, Sendable {
        /// From its last version, after its end or a break.
        case resumed
        /// The same, after a break within a line.
        case withinLine
        /// The history is lost: all objects are told anew.
        case expired
        /// The same, and the connection breaks before the mark at the end of all objects, so that they are listed.
        case beforeMark
        /// It waits for a version that does not come, until the silence has lasted too long.
        case silent
    }

    /// What happens in the cluster, in order; the number of an event is its version.
    private enum Event: Sendable {
        case function(live: Int?)
        case revision(Int)
        case slice(Int, ready: Bool, terminating: Bool = false)
        case sliceGone(Int)

        var kind: Int {
            switch self {
            case .function: 0
            case .revision: 1
            case .slice, .sliceGone: 2
            }
        }
    }

    private static let history: [Event] = [
        .function(live: nil), .revision(1), .slice(1, ready: false), .slice(1, ready: true), .function(live: 1),
        // A deploy.
        .revision(2), .slice(2, ready: false), .slice(2, ready: true), .function(live: 2),
        .slice(1, ready: false, terminating: true), .sliceGone(1),
        // A rollback.
        .slice(1, ready: false), .slice(1, ready: true), .function(live: 1),
        .slice(2, ready: false, terminating: true), .sliceGone(2),
        // A deploy whose Pods are replaced.
        .revision(3), .slice(3, ready: true), .function(live: 3), .slice(1, ready: false, terminating: true),
        .sliceGone(1), .slice(3, ready: false), .slice(3, ready: true),
    ]
    /// From here on the function is routed.
    private static let first = 5
    private static let name = "hello"

    private static func json(_ object: some Encodable) throws -> String {
        String(decoding: try JSONEncoder().encode(object), as: UTF8.self)
    }

    private static func line(_ event: Event, _ version: Int, isFirst: Bool) throws -> String {
        let type = isFirst ? "ADDED" : "MODIFIED"
        func meta(_ name: String) -> ObjectMeta {
            var meta = ObjectMeta(name: name, namespace: "functions")
            meta.uid = "uid-\(name)"
            meta.resourceVersion = String(version)
            return meta
        }
        switch event {
        case .function(let live):
            let status = live.map { "{\"live\":\($0)}" } ?? "{}"
            let object = "{\"metadata\":\(try json(meta(name))),\"status\":\(status)}"
            return "{\"type\":\"\(type)\",\"object\":\(object)}\n"
        case .revision(let number):
            let configuration = "{\"timeoutSeconds\":7,\"concurrency\":3}"
            let spec = "{\"function\":\"\(name)\",\"number\":\(number),\"configuration\":\(configuration)}"
            let object = "{\"metadata\":\(try json(meta("\(name)-r\(number)"))),\"spec\":\(spec)}"
            return "{\"type\":\"\(type)\",\"object\":\(object)}\n"
        case .slice(let number, _, _), .sliceGone(let number):
            var object = EndpointSlice(metadata: meta("\(name)-r\(number)-x"))
            object.metadata.labels = [FunctionLabels.function: name, FunctionLabels.revision: String(number)]
            object.addressType = "IPv4"
            object.ports = [.init(name: "http", port: 8000)]
            guard case .slice(_, let ready, let terminating) = event else {
                return "{\"type\":\"DELETED\",\"object\":\(try json(object))}\n"
            }
            object.endpoints = [
                .init(
                    addresses: ["10.0.0.\(number)"],
                    conditions: .init(ready: ready, serving: ready || terminating, terminating: terminating),
                    targetRef: .init(kind: "Pod", name: "p\(number)", uid: "p\(number)"))
            ]
            return "{\"type\":\"\(type)\",\"object\":\(try json(object))}\n"
        }
    }

    /// One of the watches and the server's side of it.
    private struct Watch<Object: WatchedObject> {
        let kind: Int
        var reflection = Reflection<Object>()
        var isOpen = false
        /// How far the watch has told.
        var told = 0

        init(kind: Int) { self.kind = kind }

        private func events(after version: Int, to end: Int) throws -> [String] {
            var seen: Set<String> = []
            var lines: [String] = []
            for (index, event) in history.prefix(end).enumerated() where event.kind == kind {
                let key = "\(event)".prefix { $0 != "," && $0 != ":" } + (kind == 0 ? "" : number(event))
                if index >= version {
                    lines.append(try RouteReplayTests.line(event, index + 1, isFirst: !seen.contains(String(key))))
                }
                if case .sliceGone = event { seen.remove(String(key)) } else { seen.insert(String(key)) }
            }
            return lines
        }

        private func number(_ event: Event) -> String {
            switch event {
            case .function: ""
            case .revision(let number), .slice(let number, _, _), .sliceGone(let number): String(number)
            }
        }

        private func decode(_ line: String) throws -> WatchEvent<Object> {
            try JSONDecoder().decode(WatchEvent<Object>.self, from: Data(line.utf8))
        }

        /// The objects as they are at `end`.
        private func state(at end: Int) throws -> [Object] {
            var table = ObjectTable<Object>()
            for line in try events(after: 0, to: end) {
                switch try decode(line) {
                case .added(let object), .modified(let object): _ = table.put(object)
                case .deleted(let object): _ = table.remove(object)
                case .bookmark, .error: break
                }
            }
            return table.objects.values.sorted { $0.key < $1.key }
        }

        /// Tells what there is up to the event `end`, in the way that the reflection asks for.
        mutating func advance(to end: Int, breaksBeforeMark: Bool = false) throws -> [TableChange<Object>] {
            var changes: [TableChange<Object>] = []
            while !isOpen {
                switch reflection.next(fraction: 0) {
                case .pause: continue
                case .list:
                    changes += reflection.listed(
                        ObjectList(items: try state(at: end), resourceVersion: String(end)))
                    told = end
                case .watch(let version):
                    told = Int(version) ?? 0
                    isOpen = true
                case .watchAll:
                    for object in try state(at: end) { changes += reflection.received(.added(object)) }
                    if breaksBeforeMark {
                        reflection.ended(after: .seconds(5))
                        continue
                    }
                    changes += reflection.received(.bookmark(version: String(end), endsInitial: true))
                    told = end
                    isOpen = true
                }
            }
            for line in try events(after: told, to: end) { changes += reflection.received(try decode(line)) }
            told = max(told, end)
            return changes
        }

        /// The connection is over, somewhere within the next event at most.
        mutating func cut(_ cut: Cut, next end: Int) throws {
            guard isOpen else { return }
            isOpen = false
            switch cut {
            case .resumed: reflection.ended(after: .seconds(5))
            case .withinLine:
                var lines = WatchLines(limit: 1 << 20)
                let half = try events(after: told, to: end).first.map { Array($0.utf8.prefix($0.utf8.count / 2)) } ?? []
                #expect(try lines.take(half).isEmpty)
                reflection.ended(after: .seconds(5))
            case .expired, .beforeMark:
                reflection.ended(after: .seconds(5))
                _ = reflection.next(fraction: 0)
                _ = reflection.received(.error(APIStatus(reason: "Expired", code: 410)))
            case .silent:
                reflection.ended(after: .seconds(5))
                _ = reflection.next(fraction: 0)
                reflection.ended(after: Reflection<Object>.longestSilence + .seconds(1))
            }
        }
    }

    /// What a Router has been told.
    private struct Router {
        var routes = ClusterRoutes(epoch: "e")
        var functions = Watch<RoutedFunction>(kind: 0)
        var revisions = Watch<RoutedRevision>(kind: 1)
        var slices = Watch<RoutedSlice>(kind: 2)
        var route: Route?
        var wasRouted = false
        var faults: [String] = []

        mutating func advance(_ kind: Int, to end: Int, breaksBeforeMark: Bool = false) throws {
            switch kind {
            case 0:
                for change in try functions.advance(to: end, breaksBeforeMark: breaksBeforeMark) {
                    note(.function(change), end)
                }
            case 1:
                for change in try revisions.advance(to: end, breaksBeforeMark: breaksBeforeMark) {
                    note(.revision(change), end)
                }
            default:
                for change in try slices.advance(to: end, breaksBeforeMark: breaksBeforeMark) {
                    note(.slice(change), end)
                }
            }
        }

        mutating func cut(_ kind: Int, _ cut: Cut, next end: Int) throws {
            switch kind {
            case 0: try functions.cut(cut, next: end)
            case 1: try revisions.cut(cut, next: end)
            default: try slices.cut(cut, next: end)
            }
        }

        private mutating func note(_ change: ClusterRoutes.Change, _ end: Int) {
            switch routes.note(change) {
            case .snapshot(_, let all): route = all.values.first
            case .update(let update): route = update.removed.isEmpty ? update.changed.values.first : nil
            case .heartbeat, nil: return
            }
            if wasRouted, route == nil { faults.append("404 at \(end)") }
            if wasRouted, route?.targets.first?.endpoints.isEmpty == true { faults.append("no address at \(end)") }
            if route != nil { wasRouted = true }
        }
    }

    private static func truth() throws -> Route? {
        var router = Router()
        for kind in 0..<3 { try router.advance(kind, to: history.count) }
        return router.route
    }

    @Test(arguments: Cut.allCases, 0..<3)
    func `a watch that falls behind anywhere and comes back costs no route`(cut: Cut, kind: Int) throws {
        let truth = try Self.truth()
        #expect(truth?.targets.map(\.revision) == [3])
        let end = Self.history.count
        for behind in Self.first..<end {
            for back in (behind + 1)...end {
                var router = Router()
                for version in 0...end {
                    for other in 0..<3 where other != kind || version <= behind || version >= back {
                        if other == kind, version == back {
                            try router.advance(kind, to: version, breaksBeforeMark: cut == .beforeMark)
                        } else {
                            try router.advance(other, to: version)
                        }
                    }
                    if version == behind { try router.cut(kind, cut, next: back) }
                }
                // Who hasn't heard that the traffic is to move, or of addresses, holds requests once the old Pods are gone.
                let faults = router.faults.filter { kind == 1 || !$0.hasPrefix("no address") }
                #expect(faults == [], "behind at \(behind), back at \(back)")
                #expect(router.route == truth, "behind at \(behind), back at \(back)")
            }
        }
    }

    @Test func `a Router that starts between two tables has a route for all that is live`() throws {
        let end = Self.history.count
        for kind in 0..<3 {
            for version in Self.first...end {
                for late in max(Self.first, version - 4)...version {
                    var router = Router()
                    for other in 0..<3 { try router.advance(other, to: other == kind ? late : version) }
                    #expect(router.route != nil, "table \(kind) at \(late), the others at \(version)")
                }
            }
        }
    }
}

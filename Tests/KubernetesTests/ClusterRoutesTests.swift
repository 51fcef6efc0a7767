import Contract
import Foundation
import Support
import Testing

@testable import Kubernetes

/// The table of a Router, made from a cluster's objects.
@Suite struct ClusterRoutesTests {
    private static func function(_ name: String, live: Int?, _ shares: [Int: Int]? = nil) -> RoutedFunction {
        let split = shares.map { shares in
            TrafficSplit(shares: shares.map { .init(revision: $0.key, percent: $0.value) })
        }
        return RoutedFunction(WatchedMeta(name: name), live: live, split: split)
    }

    private static func revision(_ name: String, _ number: Int, pinned: Bool = false) throws -> RoutedRevision {
        RoutedRevision(
            WatchedMeta(name: "\(name)-r\(number)"), of: try FunctionName(name),
            .init(number: number, timeoutSeconds: 7, concurrency: 3, isPinned: pinned))
    }

    private static func slice(
        _ name: String, _ number: Int, part: String = "a", type: String = "IPv4",
        _ pods: [(name: String, address: String, ready: Bool, terminating: Bool)]
    ) -> RoutedSlice {
        let metadata = ObjectMeta(
            name: "\(name)-r\(number)-\(part)", namespace: "functions",
            labels: [FunctionLabels.function: name, FunctionLabels.revision: String(number)])
        var slice = EndpointSlice(metadata: metadata)
        slice.addressType = type
        slice.ports = [.init(name: "http", port: 8000)]
        slice.endpoints = pods.map { pod in
            .init(
                addresses: [pod.address],
                conditions: .init(ready: pod.ready, serving: pod.ready, terminating: pod.terminating),
                targetRef: .init(kind: "Pod", name: pod.name, uid: pod.name))
        }
        return RoutedSlice(slice)
    }

    /// A complete table in which `hello` serves by revision 1 with one ready Pod.
    private static func serving() throws -> (ClusterRoutes, FunctionName) {
        var routes = ClusterRoutes(epoch: "e")
        for change: ClusterRoutes.Change in [
            .function(.added(function("hello", live: 1))), .revision(.added(try revision("hello", 1))),
            .slice(.added(slice("hello", 1, [("p1", "10.0.0.1", true, false)]))),
            .function(.synced), .revision(.synced), .slice(.synced),
        ] {
            _ = routes.note(change)
        }
        return (routes, try FunctionName("hello"))
    }

    private static func endpoints(_ message: RouteMessage?, _ name: FunctionName) -> [Endpoint.Address]? {
        guard case .update(let update) = message else { return nil }
        return update.changed[name]?.targets.first?.endpoints.map(\.address)
    }

    @Test func `nothing is told before all tables are complete, then all at once`() throws {
        var routes = ClusterRoutes(epoch: "e")
        let name = try FunctionName("hello")
        #expect(routes.note(.function(.added(Self.function("hello", live: 1)))) == nil)
        #expect(routes.note(.revision(.added(try Self.revision("hello", 1)))) == nil)
        #expect(routes.note(.function(.synced)) == nil)
        #expect(routes.note(.revision(.synced)) == nil)
        #expect(routes.note(.slice(.added(Self.slice("hello", 1, [("p1", "fd00::1", true, false)])))) == nil)
        let route = Route(
            targets: [
                RouteTarget(
                    revision: 1, weight: 1, timeoutMilliseconds: 7000, concurrency: 3,
                    endpoints: [Endpoint(id: "p1", address: .tcp(host: "fd00::1", port: 8000))])
            ])
        #expect(
            routes.note(.slice(.synced))
                == .snapshot(version: TableVersion(epoch: "e", number: 1), routes: [name: route]))
        // Read anew after a break: nothing has changed.
        #expect(routes.note(.slice(.synced)) == nil)
    }

    @Test func `the traffic moves with what is live, and a pinned revision answers beside it`() throws {
        var (routes, name) = try Self.serving()
        #expect(routes.note(.revision(.added(try Self.revision("hello", 2)))) == nil)
        #expect(routes.note(.slice(.added(Self.slice("hello", 2, [("p2", "10.0.0.2", true, false)])))) == nil)
        let old = Self.function("hello", live: 1)
        #expect(
            Self.endpoints(routes.note(.function(.changed(from: old, to: Self.function("hello", live: 2)))), name)
                == [.tcp(host: "10.0.0.2", port: 8000)])
        let first = try Self.revision("hello", 1)
        guard
            case .update(let update) = routes.note(
                .revision(.changed(from: first, to: try Self.revision("hello", 1, pinned: true))))
        else {
            Issue.record("a pin is told")
            return
        }
        #expect(update.changed[name]?.pinned.map(\.revision) == [1])
        #expect(update.changed[name]?.targets.map(\.revision) == [2])
        guard case .update(let end) = routes.note(.function(.removed(Self.function("hello", live: 2)))) else {
            Issue.record("an end is told")
            return
        }
        #expect(end.removed == [name])
    }

    @Test func `which pages may call a revision is told with its route`() throws {
        var (routes, name) = try Self.serving()
        let object = """
            {"metadata":{"name":"hello-r1"},"spec":{"function":"hello","number":1,"configuration":{"timeoutSeconds":7,\
            "concurrency":3,"cors":{"origins":["https://a"],"credentials":true}}}}
            """
        let read = try JSONDecoder().decode(RoutedRevision.self, from: Data(object.utf8))
        let first = try Self.revision("hello", 1)
        guard case .update(let update) = routes.note(.revision(.changed(from: first, to: read))) else {
            Issue.record("it is told")
            return
        }
        #expect(
            update.changed[name]?.targets.map(\.cors) == [try CORSPolicy(origins: ["https://a"], credentials: true)])
    }

    @Test func `divided traffic goes to all that share it, once they have been heard of`() throws {
        var (routes, name) = try Self.serving()
        func told(_ change: ClusterRoutes.Change) -> Route? {
            guard case .update(let update) = routes.note(change) else { return nil }
            return update.changed[name]
        }
        let (old, divided) = (Self.function("hello", live: 1), Self.function("hello", live: 1, [1: 90, 2: 10, 3: 0]))
        // Nobody knows yet where revision 2 is.
        #expect(told(.function(.changed(from: old, to: divided))) == nil)
        #expect(told(.revision(.added(try Self.revision("hello", 2)))) == nil)
        let route = told(.slice(.added(Self.slice("hello", 2, [("p2", "10.0.0.2", true, false)]))))
        #expect(route?.targets.map(\.revision) == [1, 2] && route?.targets.map(\.weight) == [90, 10])
        #expect(route?.targets.map(\.endpoints.count) == [1, 1])
        // One without a share answers under its number.
        #expect(told(.revision(.added(try Self.revision("hello", 3))))?.pinned.map(\.revision) == [3])
        let shifted = Self.function("hello", live: 1, [1: 20, 2: 80])
        #expect(told(.function(.changed(from: divided, to: shifted)))?.targets.map(\.weight) == [20, 80])
        let ended = told(.function(.changed(from: shifted, to: Self.function("hello", live: 2))))
        #expect(ended?.targets.map(\.revision) == [2] && ended?.pinned.isEmpty == true)
    }

    @Test func `an address that is not ready is tried only while there is no ready one, and one that leaves never`()
        throws
    {
        var (routes, name) = try Self.serving()
        func change(_ slice: RoutedSlice) -> RouteMessage? { routes.note(.slice(.added(slice))) }
        #expect(change(Self.slice("hello", 1, part: "b", [("p2", "10.0.0.2", false, false)])) == nil)
        #expect(
            Self.endpoints(change(Self.slice("hello", 1, [("p1", "10.0.0.1", false, true)])), name)
                == [.tcp(host: "10.0.0.2", port: 8000)])
        #expect(Self.endpoints(change(Self.slice("hello", 1, part: "b", [])), name) == [])
    }

    @Test func `several slices make one list, and one that ends takes only its own`() throws {
        var (routes, name) = try Self.serving()
        let more = Self.slice("hello", 1, part: "b", type: "IPv6", [("p2", "fd00::2", true, false)])
        #expect(
            Self.endpoints(routes.note(.slice(.added(more))), name)
                == [.tcp(host: "10.0.0.1", port: 8000), .tcp(host: "fd00::2", port: 8000)])
        #expect(
            Self.endpoints(routes.note(.slice(.removed(more))), name) == [.tcp(host: "10.0.0.1", port: 8000)])
    }

    @Test func `a feed tells what is there and what comes, and goes on when the server was away`() async throws {
        let manifests = ["k8s/base/functions.yaml", "k8s/base/functionrevisions.yaml"]
        try await withKubernetes(manifests: manifests) { server in
            let api = try server.api()
            let (messages, feed) = AsyncStream.makeStream(of: RouteMessage.self)
            let running = Task {
                await ClusterRouteFeed(api, namespace: "functions", epoch: "e").run { feed.yield($0) }
            }
            defer { running.cancel() }
            var iterator = messages.makeAsyncIterator()
            #expect(await iterator.next() == .snapshot(version: TableVersion(epoch: "e", number: 1), routes: [:]))
            try await server.order(.cutWatches)
            _ = try await api.apply(Written(name: "hello"))
            _ = try await api.apply(Written.Revision(name: "hello"))
            _ = try await api.apply(Written.Live(name: "hello"), subresource: "status")
            let name = try FunctionName("hello")
            guard case .update(let update)? = await iterator.next() else {
                Issue.record("what came while the watches were broken is told")
                return
            }
            #expect(update.changed[name]?.targets.map(\.revision) == [1])
            #expect(update.changed[name]?.targets.first?.timeoutMilliseconds == 60_000)
        }
    }

    private static let image = "registry:5000/kiln/hello@sha256:" + String(repeating: "a", count: 64)

    /// A function as it is written.
    private struct Written: KubernetesObject {
        static let resource = RoutedFunction.resource
        struct Spec: Codable, Sendable {
            var image = ClusterRoutesTests.image
        }
        var metadata: ObjectMeta
        var spec = Spec()

        init(name: String) { metadata = ObjectMeta(name: name, namespace: "functions") }

        struct Live: KubernetesObject {
            static let resource = RoutedFunction.resource
            struct Status: Codable, Sendable {
                var live = 1
            }
            var metadata: ObjectMeta
            var status = Status()

            init(name: String) { metadata = ObjectMeta(name: name, namespace: "functions") }
        }

        struct Revision: KubernetesObject {
            static let resource = RoutedRevision.resource
            struct Spec: Codable, Sendable {
                var function: String
                var number = 1
                var image = ClusterRoutesTests.image
                var configuration = FunctionSpec()
                var created = Timestamp(milliseconds: 0)
                var ticket = 1
            }
            var metadata: ObjectMeta
            var spec: Spec

            init(name: String) {
                metadata = ObjectMeta(name: "\(name)-r1", namespace: "functions")
                spec = Spec(function: name)
            }
        }
    }
}

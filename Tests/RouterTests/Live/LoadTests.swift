import Contract
import Foundation
import Synchronization
import Testing

@testable import Router

/// What the Router tells the Deployer about the requests it has.
@Suite struct LoadTests {
    @Test(arguments: [1, 2])
    func `a request for a revision without an instance is reported at once, and again while it waits`(loops: Int)
        async throws
    {
        try await withRouter(loops: loops) { router in
            let loads = Follower(router.server)
            try router.route(endpoints: ["f": [], "g": []])
            async let answer = router.get("/fn/f")
            try await eventually("it is awaited twice") { loads.awaited.count >= 2 }
            let expected = RevisionID(function: try FunctionName("f"), number: 1)
            #expect(Set(loads.awaited) == [expected])
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            #expect(try await answer.status == 200)
        }
    }

    @Test func `a request that came before the first table is reported when it turns out to have no instance`()
        async throws
    {
        try await withRouter { router in
            let loads = Follower(router.server)
            async let answer = router.get("/fn/f")
            try await Task.sleep(for: .milliseconds(100))
            #expect(loads.awaited.isEmpty)
            try router.route(endpoints: ["f": []])
            try await eventually("it is awaited") { !loads.awaited.isEmpty }
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            #expect(try await answer.status == 200)
        }
    }

    @Test func `requests are reported while there are any, and not after`() async throws {
        try await withRouter(configure: { $0.timeouts.sample = .milliseconds(10) }) { router in
            let loads = Follower(router.server)
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                usleep(400_000)
                return ok()
            }
            try router.route(["f": [upstream]], concurrency: 1)
            async let first = router.get("/fn/f")
            async let second = router.get("/fn/f")
            #expect(try await (first.status, second.status) == (200, 200))
            try await eventually("the end is reported") {
                loads.revisions.last?.started == 0 && loads.revisions.last?.inFlight == 0
            }
            let seen = loads.revisions
            #expect(seen.contains { $0.inFlight > 0.9 && $0.held > 0.9 })
            #expect(seen.reduce(0) { $0 + $1.started } == 2)
            #expect(seen.allSatisfy { $0.inFlight <= 1 && $0.held <= 1 })
            try await Task.sleep(for: .milliseconds(300))
            #expect(loads.revisions.count == seen.count)
        }
    }

    @Test
    func `what is known about a missing instance is the answer: at once when it failed, in the end when it waits`()
        async throws
    {
        try await withRouter(configure: { $0.timeouts.hold = .milliseconds(300) }) { router in
            func route(_ notice: RouteNotice) throws {
                let target = RouteTarget(
                    revision: 1, weight: 1, timeoutMilliseconds: 1000, concurrency: 1, endpoints: [], notice: notice)
                router.apply([try FunctionName("f"): Route(targets: [target])])
            }
            try route(.waiting("There is no room."))
            let late = try await router.get("/fn/f")
            #expect(late.status == 503 && late["Retry-After"] != nil && late["X-Kiln-Reason"] == "no-room")
            #expect(late.text.contains("There is no room."))
            async let waiting = router.get("/fn/f")
            try await Task.sleep(for: .milliseconds(50))
            try route(.failed("It threw."))
            for answer in [try await waiting, try await router.get("/fn/f")] {
                #expect(
                    answer.status == 502 && answer["Retry-After"] != nil && answer["X-Kiln-Reason"] == "start-failed")
                #expect(answer.text.contains("It threw."))
            }
        }
    }

    /// Keeps what a Router reports.
    private final class Follower: Sendable {
        private let reports = Mutex<[RouterLoad]>([])

        init(_ server: RouterServer) {
            Task { for await load in server.loads { reports.withLock { $0.append(load) } } }
        }

        var awaited: [RevisionID] { reports.withLock { $0.flatMap(\.awaited) } }
        var revisions: [RevisionLoad] { reports.withLock { $0.flatMap(\.revisions) } }
    }
}

import Contract
import Logging
import Testing

@testable import Deployer

/// Traffic divided between revisions, with a backend that keeps only a list.
@Suite struct TrafficTests {
    private func withTraffic(
        idle: Duration? = nil, _ body: (Reconciler, RecordingBackend, any FunctionStore) async throws -> Void
    ) async throws {
        try await withStore { store in
            try await withReconciler(store, idle: idle) { reconciler, backend in
                try await body(reconciler, backend, store)
            }
        }
    }

    /// Weights by revision, as the Routers have them.
    private func weights(_ reconciler: Reconciler) async throws -> [Int: Int] {
        let route = try await route(reconciler)
        return Dictionary(uniqueKeysWithValues: (route?.targets ?? []).map { ($0.revision, $0.weight) })
    }

    private func route(_ reconciler: Reconciler) async throws -> Route? {
        var stream = await reconciler.hub.subscribe("looker").makeAsyncIterator()
        guard case .snapshot(_, let routes) = await stream.next() else { return nil }
        await reconciler.hub.report("looker", RouterStatus(version: await reconciler.hub.version, busy: []))
        return routes[try name("hello")]
    }

    private func divide(_ reconciler: Reconciler, _ text: String) async throws -> DeployAnswer {
        try await reconciler.divide(name("hello"), TrafficGoal(text))
    }

    private func deploy(_ reconciler: Reconciler, _ letter: Character, traffic: Int?) async throws -> DeployAnswer {
        let ticket = try await reconciler.store.issueTicket(for: name("hello"))
        return try await reconciler.deploy(
            name("hello"),
            DeployRequest(
                ticket: ticket, image: draft("hello", letter, ticket: ticket).image, spec: FunctionSpec(), wait: true,
                timings: [:], traffic: traffic), requestID: "t")
    }

    @Test func `the traffic is divided, shifted and led to one again; what has no part in it ends`() async throws {
        try await withTraffic { reconciler, backend, store in
            try await reconciler.deploy("hello", "a")
            try await reconciler.deploy("hello", "b")
            try await eventually { backend.running == ["hello@2"] }
            let divided = try await divide(reconciler, "1:10,2:90")
            #expect(divided.revision == 2 && divided.serving && !divided.unchanged)
            #expect(divided.traffic == [.init(revision: 1, percent: 10), .init(revision: 2, percent: 90)])
            #expect(backend.running == ["hello@1", "hello@2"])
            #expect(try await weights(reconciler) == [1: 10, 2: 90])
            #expect(try await divide(reconciler, "2:90,1:10").unchanged)
            _ = try await divide(reconciler, "1:80,2:20")
            #expect(try await weights(reconciler) == [1: 80, 2: 20])
            // What was live is so still.
            #expect(try await store.function(name("hello"))?.summary.live?.number == 2)
            let one = try await divide(reconciler, "1:100")
            #expect(one.revision == 1 && one.traffic == nil)
            try await eventually { backend.running == ["hello@1"] }
            let history = try #require(try await store.function(name("hello"))?.history)
            #expect(history.prefix(3).map(\.cause) == [.traffic, .traffic, .traffic])
            #expect(history.prefix(3).map { $0.traffic?.map(\.percent) } == [nil, [80, 20], [10, 90]])
        }
    }

    @Test func `a revision with 0 % runs, answers under its number, and gets nothing`() async throws {
        try await withTraffic { reconciler, backend, _ in
            try await reconciler.deploy("hello", "a")
            let canary = try await deploy(reconciler, "b", traffic: 0)
            #expect(canary.revision == 2 && canary.serving && canary.url == "/fn/hello@2")
            #expect(backend.running == ["hello@1", "hello@2"])
            #expect(try await route(reconciler)?.targets.map(\.revision) == [1])
            #expect(try await route(reconciler)?.pinned.map(\.revision) == [2])
        }
    }

    @Test func `a canary gets its share, what was live keeps the rest, and the next deploy takes all`() async throws {
        try await withTraffic { reconciler, backend, store in
            #expect(try await deploy(reconciler, "a", traffic: 10).traffic == nil)
            let canary = try await deploy(reconciler, "b", traffic: 10)
            #expect(canary.revision == 2 && canary.serving && !canary.superseded)
            #expect(try await weights(reconciler) == [1: 90, 2: 10])
            #expect(try await store.function(name("hello"))?.summary.live?.number == 1)
            #expect(try await store.function(name("hello"))?.revisions.map(\.state) == [.ready, .ready])
            _ = try await deploy(reconciler, "c", traffic: nil)
            #expect(try await weights(reconciler) == [3: 1])
            try await eventually { backend.running == ["hello@3"] }
        }
    }

    @Test func `a canary that does not come up changes nothing`() async throws {
        try await withTraffic { reconciler, backend, _ in
            _ = try await deploy(reconciler, "a", traffic: nil)
            backend.failNext(RolloutFailure(.crashed, "exit code 1"))
            let problem = await #expect(throws: Problem.self) { try await deploy(reconciler, "b", traffic: 10) }
            #expect(problem?.status == 422)
            #expect(try await weights(reconciler) == [1: 1])
            backend.failNext(RolloutFailure(.crashed, "exit code 1"))
            let again = await #expect(throws: Problem.self) { try await divide(reconciler, "1:50,2:50") }
            #expect(again?.status == 422)
            #expect(try await weights(reconciler) == [1: 1])
            #expect(await #expect(throws: Problem.self) { try await divide(reconciler, "1:50,9:50") }?.status == 404)
        }
    }

    @Test func `a rollback ends it: without a goal all goes to what is live`() async throws {
        try await withTraffic { reconciler, backend, _ in
            for letter: Character in ["a", "b", "c"] { try await reconciler.deploy("hello", letter) }
            _ = try await divide(reconciler, "2:10,3:90")
            let back = try await reconciler.rollback(name("hello"), to: nil)
            #expect(back.revision == 3 && !back.unchanged)
            #expect(try await weights(reconciler) == [3: 1])
            try await eventually { backend.running == ["hello@3"] }
            _ = try await divide(reconciler, "2:10,3:90")
            #expect(try await reconciler.rollback(name("hello"), to: 2).revision == 2)
            #expect(try await weights(reconciler) == [2: 1])
        }
    }

    @Test func `a canary keeps what was said beside the shares, unless it says something else`() async throws {
        try await withTraffic { reconciler, _, store in
            try await reconciler.deploy("hello", "a")
            func canary(_ letter: Character, _ sticky: Stickiness?, _ stepBack: StepBack?) async throws -> TrafficSplit?
            {
                let ticket = try await store.issueTicket(for: name("hello"))
                let request = DeployRequest(
                    ticket: ticket, image: try draft("hello", letter, ticket: ticket).image, spec: FunctionSpec(),
                    wait: true, timings: [:], traffic: 10, sticky: sticky, stepBack: stepBack)
                _ = try await reconciler.deploy(name("hello"), request, requestID: "t")
                return try await store.function(name("hello"))?.summary.split
            }
            let bound = StepBack(percent: 5, requests: 20)
            let first = try await canary("b", .cookie, bound)
            #expect(first?.sticky == .cookie && first?.stepBack == bound)
            let second = try await canary("c", nil, nil)
            #expect(second?.sticky == .cookie && second?.stepBack == bound)
            let third = try await canary("d", .header("x-user"), StepBack(percent: 1, requests: 3))
            #expect(third?.sticky == .header("x-user") && third?.stepBack == StepBack(percent: 1, requests: 3))
        }
    }

    @Test func `a deploy of what is live ends it, a rebake keeps the shares`() async throws {
        try await withTraffic { reconciler, _, store in
            try await reconciler.deploy("hello", "a")
            _ = try await deploy(reconciler, "b", traffic: 25)
            let ticket = try await store.issueTicket(for: name("hello"))
            let rebaked = try await reconciler.deploy(
                name("hello"),
                DeployRequest(
                    ticket: ticket, image: draft("hello", "c", ticket: ticket).image, spec: FunctionSpec(), wait: true,
                    timings: [:], replaces: 1), requestID: "t")
            #expect(rebaked.revision == 3)
            #expect(try await weights(reconciler) == [2: 25, 3: 75])
            #expect(try await deploy(reconciler, "c", traffic: nil).unchanged)
            #expect(try await weights(reconciler) == [3: 1])
        }
    }

    @Test func `it holds over a restart, also for a canary that was being rolled out`() async throws {
        try await withEachStore { store in
            let hello = try name("hello")
            let first = try await store.deployLive("hello", "a")
            var draft = try await draft("hello", "b", ticket: store.issueTicket(for: hello))
            draft.share = CanaryShare(
                percent: 20, sticky: .header("x-user"), stepBack: StepBack(percent: 0.5, requests: 7))
            _ = try await store.record(draft, floor: 0)
            #expect(try await store.pending().map(\.share) == [draft.share])
            try await withReconciler(store) { reconciler, backend in
                try await eventually { try await weights(reconciler) == [1: 80, 2: 20] }
                #expect(backend.running == ["hello@1", "hello@2"])
                let split = try await store.function(hello)?.summary.split
                #expect(split?.sticky == .header("x-user") && split?.stepBack == StepBack(percent: 0.5, requests: 7))
                #expect(try await route(reconciler)?.sticky == .header("x-user"))
            }
            try await withReconciler(store) { reconciler, backend in
                #expect(try await weights(reconciler) == [1: 80, 2: 20])
                #expect(backend.running == ["hello@1", "hello@2"])
                // Garbage collection leaves both.
                #expect(try await store.collect([1, 2], of: hello).isEmpty)
                _ = try await reconciler.rollback(hello, to: nil)
                try await eventually { backend.running == ["\(first.id)"] }
            }
            #expect(try await store.collect([1, 2], of: hello).map(\.number) == [2])
        }
    }

    @Test func `a rebake that a restart interrupts is one all the same, and keeps the shares`() async throws {
        try await withEachStore { store in
            let hello = try name("hello")
            try await store.deployLive("hello", "a")
            try await store.deployLive("hello", "b")
            let split = TrafficSplit(live: 2, canary: 1, percent: 30)
            let live = try await store.issueTicket(for: hello)
            let second = RevisionID(function: hello, number: 2)
            _ = try await store.goLive(second, split: split, ticket: live, cause: .traffic, reason: nil)
            // As far as a rebake of it comes before the Deployer ends.
            _ = try await store.record(draft("hello", "c", ticket: live), floor: 0)
            try await withReconciler(store) { reconciler, _ in
                try await eventually { try await weights(reconciler) == [1: 30, 3: 70] }
                #expect(try await store.function(hello)?.history.first?.cause == .rebake)
            }
        }
    }

    @Test func `an archive keeps how the traffic is divided`() async throws {
        try await withEachStore { store in
            let hello = try name("hello")
            let first = try await store.deployLive("hello", "a")
            try await store.deployLive("hello", "b")
            let split = TrafficSplit(live: 2, canary: 1, percent: 30)
            let ticket = try await store.issueTicket(for: hello)
            _ = try await store.goLive(
                RevisionID(function: hello, number: 2), split: split, ticket: ticket, cause: .traffic, reason: "because"
            )
            let record = try #require(try await store.function(hello))
            #expect(record.history.first?.reason == "because" && record.history.first?.traffic == split.shares)
            #expect(try await store.functions(after: nil, limit: 1).map(\.split) == [split])
            #expect(try await store.serving().map(\.others) == [[first]])
            try await withEachStore { other in
                let importing = try #require(other as? any ImportingStore)
                let images = ImagePlace(registry: "elsewhere:5000", repository: "own/hello")
                #expect(try await importing.adopt(FunctionSnapshot(record), images: images))
                #expect(try await other.serving().map(\.split) == [split])
                #expect(FunctionSnapshot(try #require(try await other.function(hello))) == FunctionSnapshot(record))
            }
        }
    }

    @Test func `those that share the traffic are parked and woken together, one with 0 % alone`() async throws {
        try await withTraffic(idle: .milliseconds(100)) { reconciler, backend, _ in
            try await reconciler.deploy("hello", "a")
            _ = try await deploy(reconciler, "b", traffic: 10)
            let (first, second) = (
                RevisionID(function: try name("hello"), number: 1), RevisionID(function: try name("hello"), number: 2)
            )
            // One of them is called.
            let load = RouterLoad(revisions: [RevisionLoad(revision: first, inFlight: 1, held: 0, started: 1)])
            for _ in 0..<25 {
                await reconciler.take(load, of: "router")
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(backend.running == ["hello@1", "hello@2"])
            try await eventually(within: .seconds(60)) { backend.running.isEmpty }
            await reconciler.take(RouterLoad(awaited: [second]), of: "router")
            try await eventually(within: .seconds(60)) { backend.running == ["hello@1", "hello@2"] }
            _ = try await divide(reconciler, "1:100,2:0")
            for _ in 0..<60 where backend.running != ["hello@1"] {
                await reconciler.take(load, of: "router")
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(backend.running == ["hello@1"])
        }
    }

    /// What a Router reports of revision `number`.
    private func report(_ reconciler: Reconciler, _ number: Int, ended: Int, failed: Int) async throws {
        let id = RevisionID(function: try name("hello"), number: number)
        let load = RevisionLoad(revision: id, inFlight: 0, held: 0, started: ended, ended: ended, failed: failed)
        await reconciler.take(RouterLoad(revisions: [load]), of: "router")
    }

    @Test func `a canary that fails too often loses its share, and the history says why`() async throws {
        try await withEachStore { store in
            try await withReconciler(store) { reconciler, backend in
                try await reconciler.deploy("hello", "a")
                try await reconciler.deploy("hello", "b")
                let goal = try TrafficGoal("1:90,2:10", sticky: nil, stepBack: "5%", requests: "50")
                _ = try await reconciler.divide(name("hello"), goal)
                // The live one is the measure, and what a canary did under other shares does not count.
                try await report(reconciler, 2, ended: 100, failed: 100)
                try await report(reconciler, 1, ended: 50, failed: 2)
                let more = try TrafficGoal("1:80,2:20", sticky: nil, stepBack: "5%", requests: "50")
                _ = try await reconciler.divide(name("hello"), more)
                try await report(reconciler, 1, ended: 1, failed: 1)
                #expect(try await weights(reconciler) == [1: 80, 2: 20])
                try await report(reconciler, 1, ended: 9, failed: 2)
                try await eventually { try await weights(reconciler) == [2: 1] }
                try await eventually { backend.running == ["hello@2"] }
                let last = try #require(try await store.function(name("hello"))?.history.first)
                #expect(last.cause == .stepBack && last.revision == 2)
                #expect(last.reason == "Revision 1: 3 of 10 requests failed, which is more than 5 % of 50.")
                #expect(try await store.function(name("hello"))?.summary.split == nil)
            }
        }
    }

    @Test func `without a bound nothing steps back, nor when somebody was faster`() async throws {
        try await withTraffic { reconciler, _, _ in
            try await reconciler.deploy("hello", "a")
            _ = try await deploy(reconciler, "b", traffic: 10)
            try await report(reconciler, 2, ended: 1000, failed: 1000)
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await weights(reconciler) == [1: 90, 2: 10])
            _ = try await divide(reconciler, "2:100")
            try await report(reconciler, 1, ended: 1000, failed: 1000)
            try await Task.sleep(for: .milliseconds(200))
            #expect(try await weights(reconciler) == [2: 1])
        }
    }
}

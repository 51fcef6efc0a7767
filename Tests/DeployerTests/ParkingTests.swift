import Contract
import Logging
import Testing

@testable import Deployer

/// Parking and waking, with a backend that keeps only a list.
@Suite struct ParkingTests {
    private func withParking(
        idle: Duration? = .milliseconds(100),
        _ body: (Reconciler, RecordingBackend, any FunctionStore) async throws -> Void
    ) async throws {
        try await withStore { store in
            try await withReconciler(store, idle: idle) { reconciler, backend in
                try await body(reconciler, backend, store)
            }
        }
    }

    private func call(_ reconciler: Reconciler, _ name: String = "hello", _ number: Int = 1) async throws {
        let revision = RevisionID(function: try FunctionName(name), number: number)
        await reconciler.take(RouterLoad(awaited: [revision]), of: "router")
    }

    private func target(_ reconciler: Reconciler, _ name: String = "hello") async throws -> RouteTarget? {
        var stream = await reconciler.hub.subscribe("looker").makeAsyncIterator()
        guard case .snapshot(_, let routes) = await stream.next() else { return nil }
        let target = routes[try FunctionName(name)]?.targets.first
        // As a Router that has no requests.
        await reconciler.hub.report("looker", RouterStatus(version: await reconciler.hub.version, busy: []))
        return target
    }

    @Test func `a function without requests is parked and serves on, and a request wakes it`() async throws {
        try await withParking { reconciler, backend, _ in
            try await reconciler.deploy("hello", "a")
            try await eventually(within: .seconds(60)) { backend.running.isEmpty }
            #expect(try await target(reconciler)?.endpoints.isEmpty == true)
            try await call(reconciler)
            try await eventually(within: .seconds(60)) { backend.running == ["hello@1"] }
            try await eventually(within: .seconds(60)) { try await target(reconciler)?.endpoints.count == 1 }
            try await eventually(within: .seconds(60)) { backend.running.isEmpty }
        }
    }

    @Test func `a function that says never is not parked, nor is one with requests`() async throws {
        try await withParking(idle: .milliseconds(300)) { reconciler, backend, store in
            var spec = FunctionSpec()
            spec.idleSeconds = 0
            try await reconciler.deploy("never", "a", spec)
            try await reconciler.deploy("busy", "b")
            let busy = RevisionLoad(
                revision: RevisionID(function: try FunctionName("busy"), number: 1), inFlight: 1, held: 0, started: 0)
            for _ in 0..<25 {
                await reconciler.take(RouterLoad(revisions: [busy]), of: "router")
                try await Task.sleep(for: .milliseconds(100))
            }
            #expect(backend.running == ["busy@1", "never@1"])
            try await eventually(within: .seconds(60)) { backend.running == ["never@1"] }
        }
    }

    @Test func `what is parked stays so when the Deployer starts again`() async throws {
        try await withStore { store in
            _ = try await store.deployLive("hello", "a")
            try await withReconciler(store, idle: .seconds(3600)) { reconciler, backend in
                #expect(backend.running.isEmpty)
                #expect(try await target(reconciler)?.revision == 1)
                try await call(reconciler)
                try await eventually(within: .seconds(60)) { backend.running == ["hello@1"] }
            }
        }
    }

    @Test func `a request during the drain calls parking off, and the instance stays`() async throws {
        try await withParking(idle: .seconds(3600)) { reconciler, backend, _ in
            try await reconciler.deploy("hello", "a")
            let id = WorkloadID.revision(RevisionID(function: try FunctionName("hello"), number: 1))
            let stream = await reconciler.hub.subscribe("busy")
            await reconciler.park(id)
            #expect(await reconciler.parked.contains(id))
            try await call(reconciler)
            try await eventually(within: .seconds(60)) { await !reconciler.parked.contains(id) }
            await reconciler.hub.report("busy", RouterStatus(version: await reconciler.hub.version, busy: []))
            try await Task.sleep(for: .milliseconds(300))
            #expect(backend.running == ["hello@1"] && backend.retired.isEmpty)
            withExtendedLifetime(stream) {}
        }
    }

    @Test func `one that fails to wake is answered with the reason, and tried again later`() async throws {
        try await withParking(idle: .seconds(3600)) { reconciler, backend, _ in
            try await reconciler.deploy("hello", "a")
            await reconciler.park(.revision(RevisionID(function: try FunctionName("hello"), number: 1)))
            try await eventually(within: .seconds(60)) { backend.running.isEmpty }
            backend.failNext(RolloutFailure(.crashed, "The function ended: exit code 1."))
            try await call(reconciler)
            try await eventually(within: .seconds(60)) {
                try await target(reconciler)?.notice == .failed("The function ended: exit code 1.")
            }
            // Until the rest is over nobody starts it again.
            try await call(reconciler)
            #expect(backend.running.isEmpty)
            try await eventually(within: .seconds(60)) { try await target(reconciler)?.notice == nil }
            try await call(reconciler)
            try await eventually(within: .seconds(60)) { backend.running == ["hello@1"] }
        }
    }

    @Test func `a parked revision can be replaced, gone back to, pinned and deleted`() async throws {
        try await withParking(idle: .seconds(3600)) { reconciler, backend, _ in
            let hello = try FunctionName("hello")
            func park(_ number: Int) async throws {
                await reconciler.park(.revision(RevisionID(function: hello, number: number)))
                try await eventually(within: .seconds(60)) { !backend.running.contains("hello@\(number)") }
            }
            try await reconciler.deploy("hello", "a")
            try await park(1)
            try await reconciler.deploy("hello", "b")
            #expect(backend.running == ["hello@2"])
            try await reconciler.pin(RevisionID(function: hello, number: 1))
            #expect(backend.running == ["hello@1", "hello@2"])
            try await park(1)
            try await park(2)
            #expect(try await reconciler.rollback(hello, to: 1).serving)
            try await eventually(within: .seconds(60)) { try await target(reconciler)?.endpoints.count == 1 }
            #expect(backend.running == ["hello@1"])
            try await park(1)
            try await reconciler.delete(hello)
            #expect(await reconciler.parked.isEmpty)
            try await call(reconciler)
            try await Task.sleep(for: .milliseconds(100))
            #expect(backend.running.isEmpty)
        }
    }

    @Test func `what is deleted or replaced while it is being parked ends whole`() async throws {
        try await withParking(idle: .seconds(3600)) { reconciler, backend, _ in
            let hello = try FunctionName("hello")
            let first = WorkloadID.revision(RevisionID(function: hello, number: 1))
            try await reconciler.deploy("hello", "a")
            backend.slowDown(.milliseconds(200))
            await reconciler.park(first)
            try await eventually(within: .seconds(60)) { await reconciler.retirements[first]?.phase == .stopping }
            try await reconciler.delete(hello)
            try await eventually(within: .seconds(60)) { backend.kept.isEmpty }

            // One that is wanted again while it is being parked runs when the deploy answers.
            try await reconciler.deploy("hello", "a")
            let second = WorkloadID.revision(RevisionID(function: hello, number: 2))
            await reconciler.park(second)
            try await eventually(within: .seconds(60)) { await reconciler.retirements[second]?.phase == .stopping }
            try await reconciler.deploy("hello", "b")
            #expect(try await reconciler.rollback(hello, to: 2).serving)
            #expect(backend.running.contains("hello@2"))
            try await eventually(within: .seconds(60)) { backend.kept == ["hello@2"] }
            #expect(backend.running == ["hello@2"])
        }
    }

    @Test func `a function that is deleted while it wakes leaves nothing`() async throws {
        try await withParking(idle: .seconds(3600)) { reconciler, backend, _ in
            let hello = try FunctionName("hello")
            try await reconciler.deploy("hello", "a")
            await reconciler.park(.revision(RevisionID(function: hello, number: 1)))
            try await eventually(within: .seconds(60)) { backend.running.isEmpty }
            for _ in 0..<20 {
                backend.slowDown(.milliseconds(Int.random(in: 0...30)))
                async let waking: Void = call(reconciler)
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...20)))
                try await reconciler.delete(hello)
                try await waking
                try await eventually(within: .seconds(60)) { backend.running.isEmpty }
                #expect(await reconciler.waking.isEmpty || backend.running.isEmpty)
                try await reconciler.deploy("hello", "a")
                let live = try #require(await reconciler.serving[hello]?.live)
                await reconciler.park(.revision(live.id))
                try await eventually(within: .seconds(60)) { backend.running.isEmpty }
            }
        }
    }
}

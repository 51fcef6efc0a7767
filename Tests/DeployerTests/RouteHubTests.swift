import Contract
import Testing

@testable import Deployer

@Suite struct RouteHubTests {
    private let route = Route(
        targets: [RouteTarget(revision: 1, weight: 1, timeoutMilliseconds: 1000, concurrency: 1, endpoints: [])])

    @Test func `a new router gets the whole table and then every change`() async throws {
        let hub = RouteHub(epoch: "e")
        let hello = try name("hello")
        await hub.set(hello, route)
        var stream = await hub.subscribe("a").makeAsyncIterator()
        #expect(await stream.next() == .snapshot(version: TableVersion(epoch: "e", number: 1), routes: [hello: route]))
        await hub.set(hello, nil)
        let gone = RouteUpdate(version: TableVersion(epoch: "e", number: 2), changed: [:], removed: [hello])
        #expect(await stream.next() == .update(gone))
    }

    @Test func `setting what is set already changes no version`() async throws {
        let hub = RouteHub(epoch: "e")
        let first = await hub.set(try name("hello"), route)
        #expect(await hub.set(try name("hello"), route) == first)
    }

    @Test func `settling waits for the version and for the last request of an endpoint that left`() async throws {
        let hub = RouteHub(epoch: "e")
        let stream = await hub.subscribe("a")
        let version = await hub.set(try name("hello"), route)
        let settled = Task {
            await hub.settle(version, without: ["old"], deadline: .now.advanced(by: .seconds(20)))
            return ContinuousClock.now
        }
        await hub.report("a", RouterStatus(version: version, busy: ["old"]))
        try await Task.sleep(for: .milliseconds(150))
        let finished = ContinuousClock.now
        await hub.report("a", RouterStatus(version: version, busy: []))
        #expect(await settled.value >= finished)
        withExtendedLifetime(stream) {}
    }

    @Test func `settling ends at its deadline`() async throws {
        let hub = RouteHub(epoch: "e")
        let stream = await hub.subscribe("a")
        let started = ContinuousClock.now
        await hub.settle(await hub.version, without: [], deadline: started.advanced(by: .milliseconds(200)))
        #expect(started.duration(to: .now) >= .milliseconds(190))
        withExtendedLifetime(stream) {}
    }

    @Test func `a router whose stream broke still counts for the grace and no longer`() async throws {
        let hub = RouteHub(epoch: "e")
        do {
            let stream = await hub.subscribe("a")
            withExtendedLifetime(stream) {}
        }
        try await Task.sleep(for: .milliseconds(50))
        let started = ContinuousClock.now
        await hub.settle(await hub.version, without: [], deadline: started.advanced(by: .seconds(20)))
        let waited = started.duration(to: .now)
        #expect(waited > RouteHub.grace - .milliseconds(500) && waited < RouteHub.grace + .seconds(2))
    }

    @Test func `a status of another run of the Deployer says nothing about this one`() async throws {
        let hub = RouteHub(epoch: "new")
        let stream = await hub.subscribe("a")
        await hub.report("a", RouterStatus(version: TableVersion(epoch: "old", number: 99), busy: []))
        let started = ContinuousClock.now
        await hub.settle(await hub.version, without: [], deadline: started.advanced(by: .milliseconds(200)))
        #expect(started.duration(to: .now) >= .milliseconds(190))
        withExtendedLifetime(stream) {}
    }
}

import Contract
import Testing

@testable import Router

@Suite struct LoadMeterTests {
    private func report(_ meter: inout LoadMeter, _ snapshot: RouteSnapshot) -> RouterLoad? {
        var last: RouterLoad?
        for number in 1...LoadMeter.samplesPerReport {
            last = meter.sample(snapshot)
            if number < LoadMeter.samplesPerReport { #expect(last == nil) }
        }
        return last
    }

    @Test func `without requests nothing is reported`() throws {
        var book = RouteBook()
        let snapshot = book.apply(try table(1, ["a": ["1"], "b": []]), leaving: []).snapshot
        var meter = LoadMeter()
        #expect(report(&meter, snapshot) == nil)
        #expect(report(&meter, snapshot) == nil)
    }

    @Test func `requests in flight, waiting and begun are reported, and once that there are none any more`() throws {
        var book = RouteBook()
        let snapshot = book.apply(try table(1, ["a": ["1", "2"], "b": ["3"]]), leaving: []).snapshot
        let route = try #require(snapshot.routes["a"])
        var meter = LoadMeter()
        for endpoint in route.targets[0].endpoints {
            #expect(endpoint.acquire(limit: 9))
            #expect(endpoint.acquire(limit: 9))
            _ = endpoint.release()
        }
        #expect(route.waiting.enter(limit: 9))
        let revision = RevisionID(function: try FunctionName("a"), number: 1)
        #expect(
            report(&meter, snapshot)
                == RouterLoad(revisions: [RevisionLoad(revision: revision, inFlight: 2, held: 1, started: 4)]))
        for endpoint in route.targets[0].endpoints { _ = endpoint.release() }
        route.waiting.leave()
        #expect(
            report(&meter, snapshot)
                == RouterLoad(revisions: [RevisionLoad(revision: revision, inFlight: 0, held: 0, started: 0)]))
        #expect(report(&meter, snapshot) == nil)
    }

    @Test func `a request that no sample meets is counted all the same`() throws {
        var book = RouteBook()
        let snapshot = book.apply(try table(1, ["a": ["1"]]), leaving: []).snapshot
        let endpoint = try #require(snapshot.routes["a"]?.targets[0].endpoints[0])
        var meter = LoadMeter()
        _ = meter.sample(snapshot)
        #expect(endpoint.acquire(limit: 9))
        _ = endpoint.release()
        for _ in 2..<LoadMeter.samplesPerReport { _ = meter.sample(snapshot) }
        #expect(meter.sample(snapshot)?.revisions.map(\.started) == [1])
    }
}

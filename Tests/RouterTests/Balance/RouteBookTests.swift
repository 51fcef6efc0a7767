import Contract
import NIOCore
import Testing

@testable import Router

/// A table whose functions have one target each, with endpoints named by `routes`.
func table(_ number: Int, _ routes: [String: [String]], concurrency: Int = 10) throws -> RouteTable {
    var result: [FunctionName: Route] = [:]
    for (name, ids) in routes {
        result[try FunctionName(name)] = Route(targets: [
            RouteTarget(
                revision: 1, weight: 100, timeoutMilliseconds: 5000, concurrency: concurrency,
                endpoints: ids.map { Endpoint(id: $0, address: .unix(path: "/run/\($0)")) })
        ])
    }
    return RouteTable(version: TableVersion(epoch: "test", number: number), routes: result)
}

@Suite struct RouteBookTests {
    private func endpoints(_ snapshot: RouteSnapshot, _ name: String) -> [SharedEndpoint] {
        snapshot.routes[name]?.targets.flatMap(\.endpoints) ?? []
    }

    @Test func `what stays is carried over, what leaves is named`() throws {
        var book = RouteBook()
        let first = book.apply(try table(1, ["a": ["1", "2"], "b": ["3"]]), leaving: [])
        #expect(first.functions.sorted() == ["a", "b"] && first.left.isEmpty)
        let second = book.apply(try table(2, ["a": ["2", "4"], "b": ["3"], "c": []]), leaving: [])
        #expect(second.functions.sorted() == ["a", "c"])
        #expect(second.left.map(\.endpoint.id) == ["1"])
        #expect(endpoints(second.snapshot, "a")[0] === endpoints(first.snapshot, "a")[1])
        #expect(second.snapshot.routes["b"] === first.snapshot.routes["b"])
        #expect(second.snapshot.routes["a"]?.waiting === first.snapshot.routes["a"]?.waiting)
        let third = book.apply(try table(3, ["b": []]), leaving: [])
        #expect(third.left.map(\.endpoint.id).sorted() == ["2", "3", "4"])
        #expect(third.functions.sorted() == ["a", "b", "c"])
    }

    @Test func `an update does what a whole table would`() throws {
        var book = RouteBook()
        let update = RouteUpdate(
            version: TableVersion(epoch: "test", number: 2), changed: try table(2, ["a": ["2"]]).routes,
            removed: [try FunctionName("b")])
        let nothing = book.apply(update, leaving: [])
        #expect(nothing == nil)
        _ = book.apply(try table(1, ["a": ["1"], "b": ["3"], "c": ["5"]]), leaving: [])
        let updated = book.apply(update, leaving: [])
        let change = try #require(updated)
        #expect(change.functions.sorted() == ["a", "b"])
        #expect(change.left.map(\.endpoint.id).sorted() == ["1", "3"])
        #expect(change.snapshot.routes.keys.sorted() == ["a", "c"] && change.snapshot.version.number == 2)
    }

    @Test func `an endpoint that comes back while it is busy is the same one`() throws {
        var book = RouteBook()
        let first = book.apply(try table(1, ["a": ["1"]]), leaving: [])
        let gone = book.apply(try table(2, ["a": []]), leaving: [])
        let back = book.apply(try table(3, ["a": ["1"]]), leaving: gone.left)
        #expect(endpoints(back.snapshot, "a")[0] === endpoints(first.snapshot, "a")[0])
        #expect(back.returned.map(\.endpoint.id) == ["1"])
    }

    @Test func `traffic is drawn by weight among the targets that have endpoints`() throws {
        let name = try FunctionName("f")
        func target(_ revision: Int, _ weight: Int, _ endpoints: Int) -> FunctionRoute.Target {
            FunctionRoute.Target(
                revision: revision, weight: weight, timeout: .seconds(1), concurrency: 1,
                endpoints: (0..<endpoints).map {
                    SharedEndpoint(Endpoint(id: "\(revision)-\($0)", address: .unix(path: "/x")), serial: $0)
                }, notice: nil)
        }
        func drawn(_ route: FunctionRoute, _ draw: Int, revision: Int? = nil) -> Int? {
            try? route.target(revision: revision) { draw % $0 }.get().revision
        }
        let route = FunctionRoute(
            name, targets: [target(1, 90, 1), target(2, 10, 1), target(3, 50, 0), target(4, 0, 1)],
            pinned: [target(9, 0, 1)], waiting: WaitingRoom())
        #expect(route.availableWeight == 100)
        #expect([0, 89, 90, 99].map { drawn(route, $0) } == [1, 1, 2, 2])
        #expect([1, 3, 4, 9, 5].map { drawn(route, 0, revision: $0) } == [1, 3, 4, 9, nil])
        let starting = FunctionRoute(
            name, targets: [target(1, 0, 0), target(2, 100, 0)], pinned: [], waiting: WaitingRoom())
        #expect(drawn(starting, 0) == 2)
        let none = FunctionRoute(name, targets: [], pinned: [], waiting: WaitingRoom())
        #expect(throws: Reason.nothingServes) { try none.target(revision: nil) { _ in 0 }.get() }
    }

    @Test func `ten thousand functions are changed in a moment`() throws {
        var routes: [String: [String]] = [:]
        for index in 0..<10_000 { routes["f\(index)"] = ["e\(index)"] }
        var book = RouteBook()
        _ = book.apply(try table(1, routes), leaving: [])
        let update = RouteUpdate(
            version: TableVersion(epoch: "test", number: 2), changed: try table(2, ["f5": ["x"]]).routes, removed: [])
        let clock = ContinuousClock()
        var change: RouteBook.Change?
        let elapsed = clock.measure { change = book.apply(update, leaving: []) }
        #expect(change?.functions == ["f5"] && change?.snapshot.routes.count == 10_000)
        // A copy of the dictionary, 1 ms in a debug build; the bound leaves room for a busy machine.
        #expect(elapsed < .milliseconds(50), "\(elapsed)")
    }
}

@Suite struct DrainLedgerTests {
    private func status(_ number: Int, _ busy: [String] = []) -> RouterStatus {
        RouterStatus(version: TableVersion(epoch: "test", number: number), busy: busy)
    }

    @Test func `a table counts when every loop has it, and names who still works`() throws {
        var book = RouteBook()
        var ledger = DrainLedger(loops: 2)
        let first = book.apply(try table(1, ["a": ["1", "2"]]), leaving: ledger.leaving)
        let step1 = ledger.begin(first)
        #expect(ledger.installed(step1) == nil)
        #expect(ledger.installed(step1) == status(1))
        let endpoints = first.snapshot.routes["a"]?.targets[0].endpoints ?? []
        #expect(endpoints[0].acquire(limit: 9))
        #expect(endpoints[0].acquire(limit: 9))
        #expect(endpoints[1].acquire(limit: 9))

        let step2 = ledger.begin(book.apply(try table(2, ["a": ["3"]]), leaving: ledger.leaving))
        #expect(ledger.installed(step2) == nil)
        #expect(endpoints[1].release())
        #expect(ledger.settled() == nil)
        #expect(ledger.installed(step2) == status(2, ["1"]))
        #expect(!endpoints[0].release())
        #expect(endpoints[0].release())
        #expect(ledger.settled() == status(2))
        #expect(ledger.settled() == nil)
        #expect(ledger.leaving.isEmpty)
    }

    @Test func `a later table doesn't disturb the report of an earlier one`() throws {
        var book = RouteBook()
        var ledger = DrainLedger(loops: 1)
        let first = book.apply(try table(1, ["a": ["1"], "b": ["2"]]), leaving: [])
        #expect(ledger.installed(ledger.begin(first)) == status(1))
        for name in ["a", "b"] { _ = first.snapshot.routes[name]?.targets[0].endpoints[0].acquire(limit: 9) }
        let second = ledger.begin(book.apply(try table(2, ["a": [], "b": ["2"]]), leaving: ledger.leaving))
        let third = ledger.begin(book.apply(try table(3, ["a": [], "b": []]), leaving: ledger.leaving))
        #expect(ledger.installed(second) == status(2, ["1"]))
        #expect(ledger.installed(third) == status(3, ["1", "2"]))
    }

    @Test func `an endpoint that returns is busy no more, and is reported when it leaves again`() throws {
        var book = RouteBook()
        var ledger = DrainLedger(loops: 1)
        let first = book.apply(try table(1, ["a": ["1"]]), leaving: [])
        _ = ledger.installed(ledger.begin(first))
        let endpoint = try #require(first.snapshot.routes["a"]?.targets[0].endpoints[0])
        #expect(endpoint.acquire(limit: 9))
        #expect(
            ledger.installed(ledger.begin(book.apply(try table(2, [:]), leaving: ledger.leaving))) == status(2, ["1"]))
        #expect(
            ledger.installed(ledger.begin(book.apply(try table(3, ["a": ["1"]]), leaving: ledger.leaving))) == status(3)
        )
        #expect(!endpoint.hasLeft)
        #expect(
            ledger.installed(ledger.begin(book.apply(try table(4, [:]), leaving: ledger.leaving))) == status(4, ["1"]))
    }

    @Test func `the same version is reported again when it is applied again`() throws {
        var book = RouteBook()
        var ledger = DrainLedger(loops: 1)
        for _ in 0..<2 {
            #expect(
                ledger.installed(ledger.begin(book.apply(try table(1, ["a": ["1"]]), leaving: ledger.leaving)))
                    == status(1))
        }
    }

    @Test func `places at an endpoint are counted exactly over many threads`() async {
        let endpoint = SharedEndpoint(Endpoint(id: "x", address: .unix(path: "/x")), serial: 0)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    for _ in 0..<2000 where endpoint.acquire(limit: 3) {
                        #expect(endpoint.load <= 3)
                        _ = endpoint.release()
                    }
                }
            }
        }
        #expect(endpoint.load == 0)
    }
}

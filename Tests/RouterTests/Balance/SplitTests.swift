import Contract
import NIOCore
import Testing

@testable import Router

/// Which revision a request is drawn to while several share the traffic.
@Suite struct SplitTests {
    private static func target(_ revision: Int, _ weight: Int, endpoints: Int = 1) -> FunctionRoute.Target {
        FunctionRoute.Target(
            revision: revision, weight: weight, timeout: .seconds(1), concurrency: 10,
            endpoints: (0..<endpoints).map {
                let id = "\(revision)-\($0)"
                return SharedEndpoint(Endpoint(id: id, address: .unix(path: "/run/\(id)")), serial: revision * 100 + $0)
            }, notice: nil)
    }

    private static func route(_ targets: [FunctionRoute.Target]) throws -> FunctionRoute {
        FunctionRoute(try FunctionName("hello"), targets: targets, pinned: [], waiting: WaitingRoom())
    }

    private static func revision(_ route: FunctionRoute, _ aim: Aim, _ draw: (Int) -> Int = { _ in 0 }) -> Int? {
        try? route.target(aim, draw: draw).get().revision
    }

    /// With the right shares the statistic exceeds the bound once in 10⁷ runs, for two and for four degrees of freedom alike; with
    /// shares that are off by two percentage points it is in the thousands.
    @Test(arguments: [[7: 90, 8: 10], [7: 50, 8: 50], [1: 1, 2: 99], [1: 10, 2: 20, 3: 30, 4: 35, 5: 5]])
    func `requests are drawn as the shares say`(_ shares: [Int: Int]) throws {
        let route = try Self.route(shares.sorted { $0.key < $1.key }.map { Self.target($0.key, $0.value) })
        var random = RequestIDSource()
        var counts: [Int: Int] = [:]
        let total = 200_000
        for _ in 0..<total {
            let revision = try #require(Self.revision(route, .any) { Int(random.next() >> 1) % $0 })
            counts[revision, default: 0] += 1
        }
        let statistic = shares.reduce(0.0) { sum, share in
            let expected = Double(total * share.value) / 100
            let difference = Double(counts[share.key] ?? 0) - expected
            return sum + difference * difference / expected
        }
        #expect(statistic < 40, "\(statistic): \(counts)")
    }

    @Test func `one without an instance is passed over, unless none has one`() throws {
        let one = try Self.route([Self.target(7, 90, endpoints: 0), Self.target(8, 10)])
        for number in 0..<10 { #expect(Self.revision(one, .any) { number % $0 } == 8) }
        #expect(Self.revision(one, .drawn(7)) == 8)
        let none = try Self.route([Self.target(7, 90, endpoints: 0), Self.target(8, 10, endpoints: 0)])
        #expect(Self.revision(none, .any) == 7)
        #expect(Self.revision(none, .drawn(8)) == 8)
    }

    @Test func `what was drawn stays drawn, until it has no part in the traffic any more`() throws {
        let route = try Self.route([Self.target(7, 90), Self.target(8, 10)])
        #expect(Self.revision(route, .drawn(8)) == 8 && Self.revision(route, .number(8)) == 8)
        let ended = try Self.route([Self.target(9, 1)])
        #expect(Self.revision(ended, .drawn(8)) == 9 && Self.revision(ended, .number(8)) == nil)
        #expect(!ended.isDivided && route.isDivided)
    }
}

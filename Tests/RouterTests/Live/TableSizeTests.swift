import Foundation
import Synchronization
import Testing

/// What it costs that there are many functions: nothing for a request. The Routers are processes of their own.
@Suite(.serialized) struct TableSizeTests {
    /// Functions with an instance are looked at ten times a second to sample their load, 2 µs each in a debug build: that is all they may cost.
    @Test
    func
        `a request takes no more processor time with 10,000 functions than with 10, and hardly more if they all have instances`()
        async throws
    {
        let (rounds, seconds) = isLong ? (15, 2.0) : (5, 0.5)
        let few = (0..<10).map { "f\($0)" }
        let many = (10..<10_000).map { "f\($0)" }
        try await withRouterProcess { small in
            try await withRouterProcess { parked in
                try await withRouterProcess { live in
                    let upstream = try TestUpstream("a", path: small.path("a")) { socket, _ in
                        while (try? socket.receiveHead(seconds: 60)) != nil { try socket.send(ok()) }
                    }
                    try await small.route(few, to: upstream)
                    try await parked.route(few, to: upstream, parked: many)
                    try await live.route(few + many, to: upstream)
                    let routers = [small, parked, live]
                    for router in routers { _ = try await Self.load(router, few, 0.3) }
                    var (calls, processor) = ([0, 0, 0], [0.0, 0.0, 0.0])
                    for _ in 0..<rounds {
                        // In turns, so that all meet the same moods of the machine.
                        for (index, router) in routers.enumerated() {
                            let before = router.processorSeconds
                            calls[index] += try await Self.load(router, few, seconds)
                            processor[index] += router.processorSeconds - before
                        }
                    }
                    let rates = zip(calls, processor).map { Double($0) / $1 }
                    print(
                        "calls per second of processor time with 10 functions, 10,000, 10,000 with instances: \(rates)")
                    #expect(calls.allSatisfy { $0 > 300 }, "\(calls)")
                    #expect(rates[1] / rates[0] > 0.8, "\(rates)")
                    #expect(rates[2] / rates[0] > 0.7, "\(rates)")
                    upstream.stop()
                }
            }
        }
    }

    /// Calls the functions one after the other, by some clients at once; returns how many calls were answered.
    private static func load(_ router: RouterProcess, _ names: [String], _ seconds: Double) async throws -> Int {
        let requests = names.map { Array("GET /fn/\($0) HTTP/1.1\r\nHost: h\r\n\r\n".utf8) }
        return try await withThrowingTaskGroup(of: Int.self) { group in
            for client in 0..<4 {
                group.addTask {
                    try await onThread {
                        let socket = try RawSocket.connect(router.port)
                        let end = Date() + seconds
                        var calls = 0
                        while Date() < end {
                            try socket.send(requests[(calls * 4 + client) % requests.count])
                            let status = try socket.receiveResponse(seconds: 10).status
                            #expect(status == 200)
                            calls += 1
                        }
                        return calls
                    }
                }
            }
            return try await group.reduce(0, +)
        }
    }
}

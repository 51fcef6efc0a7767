import Contract
import Foundation
import Synchronization
import Testing

@testable import Router

/// Requests that have to wait for an instance.
@Suite struct HoldTests {
    @Test func `requests before the first table, and for a function that starts, are answered when it has`()
        async throws
    {
        try await withRouter { router in
            async let early = router.call("POST /fn/f HTTP/1.1\nHost: h\nContent-Length: 3\n\nabc")
            async let unknown = router.get("/fn/unknown")
            try await Task.sleep(for: .milliseconds(100))
            try router.route(endpoints: ["f": []])
            #expect(try await unknown.status == 404)
            async let later = withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<100 { group.addTask { try await router.get("/fn/f").status } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            try await Task.sleep(for: .milliseconds(200))
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok(request.text) }
            try router.route(["f": [upstream]])
            #expect(try await early.text == "abc")
            #expect(try await later == [Int](repeating: 200, count: 100))
            #expect(upstream.requests.count == 101)
        }
    }

    @Test func `waiting requests are served in the order in which they came`() async throws {
        try await withRouter(loops: 1) { router in
            try router.route(endpoints: ["f": []])
            let sockets = try await onThread { [port = router.port] in
                try (0..<30).map { index in
                    let socket = try RawSocket.connect(port)
                    try socket.send("GET /fn/f/\(index) HTTP/1.1\r\nHost: h\r\n\r\n")
                    usleep(10_000)
                    return socket
                }
            }
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok(request.target) }
            try router.route(["f": [upstream]], concurrency: 1)
            let answers = try await onThread { try sockets.map { try $0.receiveResponse().text } }
            #expect(answers == (0..<30).map { "/\($0)" })
            #expect(upstream.requests.map(\.target) == (0..<30).map { "/\($0)" })
            #expect(upstream.accepted == 1)
        }
    }

    @Test func `a full queue is 503, a long wait 504`() async throws {
        try await withRouter(configure: {
            $0.limits.held = 3; $0.timeouts.hold = .milliseconds(400)
        }) { router in
            try router.route(endpoints: ["f": [], "g": []])
            let clock = ContinuousClock()
            try await withThrowingTaskGroup(of: (RawMessage, Duration).self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let start = clock.now
                        return (try await router.get("/fn/f"), start.duration(to: clock.now))
                    }
                }
                var statuses: [Int: Int] = [:]
                for try await (answer, elapsed) in group {
                    statuses[answer.status, default: 0] += 1
                    if answer.status == 503 {
                        #expect(answer["X-Kiln-Reason"] == "queue-full" && answer["Retry-After"] != nil)
                    } else {
                        #expect(answer["X-Kiln-Reason"] == "no-instance" && elapsed > .milliseconds(350))
                    }
                }
                #expect(statuses == [503: 5, 504: 3])
            }
            // Each function has its own queue, and those that left have made room.
            #expect(try await router.get("/fn/g").status == 504)
            #expect(try await router.get("/fn/f").status == 504)
        }
    }

    @Test func `beyond the queue of a function whose instances are all busy it is 429`() async throws {
        try await withRouter(configure: { $0.limits.held = 3 }) { router in
            let gate = DispatchSemaphore(value: 0)
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                gate.wait()
                return ok("a")
            }
            try router.route(["f": [upstream]], concurrency: 2)
            let answers = (0..<8).map { _ in Task { try await router.get("/fn/f", seconds: 20) } }
            // Two at the instance, three wait.
            try await withThrowingTaskGroup(of: RawMessage.self) { group in
                for answer in answers { group.addTask { try await answer.value } }
                var refused = 0
                for try await answer in group {
                    guard answer.status != 200 else { continue }
                    #expect(answer.status == 429 && answer["X-Kiln-Reason"] == "too-many-requests")
                    #expect(answer["Retry-After"] != nil && answer.text.contains("(--max-waiting)"))
                    refused += 1
                    if refused == 3 { for _ in 0..<5 { gate.signal() } }
                }
                #expect(refused == 3)
            }
        }
    }

    @Test func `one that leaves while it waits is never served`() async throws {
        try await withRouter(loops: 1, configure: { $0.timeouts.probe = .milliseconds(50) }) { router in
            try router.route(endpoints: ["f": []])
            try await onThread { [port = router.port] in
                for index in 0..<4 {
                    let socket = try RawSocket.connect(port)
                    try socket.send("POST /fn/f/\(index) HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n")
                    usleep(20_000)
                    if index % 2 == 0 { socket.reset() } else { socket.close() }
                }
                usleep(200_000)
            }
            async let stays = router.get("/fn/f/stays")
            try await Task.sleep(for: .milliseconds(50))
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            #expect(try await stays.status == 200)
            #expect(upstream.requests.map(\.target) == ["/stays"])
        }
    }

    @Test func `a function that is deleted while requests wait is 404`() async throws {
        try await withRouter { router in
            try router.route(endpoints: ["f": []])
            async let waiting = router.get("/fn/f")
            try await Task.sleep(for: .milliseconds(100))
            try router.route(endpoints: [:])
            #expect(try await waiting.status == 404)
        }
    }

    @Test(arguments: [1, 2])
    func `an instance never has more requests than its limit, over all loops`(loops: Int) async throws {
        try await withRouter(loops: loops) { router in
            let now = Counter()
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                now.enter()
                usleep(10_000)
                now.leave()
                return ok()
            }
            try router.route(["f": [upstream]], concurrency: 3)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<60 { group.addTask { try await router.get("/fn/f").status } }
                for try await status in group { #expect(status == 200) }
            }
            #expect(now.highest == 3)
        }
    }

    @Test func `busy instances for too long are 503`() async throws {
        try await withRouter(configure: { $0.timeouts.hold = .milliseconds(200) }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                usleep(800_000)
                return ok()
            }
            try router.route(["f": [upstream]], concurrency: 1)
            async let first = router.get("/fn/f")
            try await eventually("it is busy") { upstream.requests.count == 1 }
            let second = try await router.get("/fn/f")
            #expect(second.status == 503 && second["X-Kiln-Reason"] == "saturated" && second["Retry-After"] != nil)
            #expect(try await first.status == 200)
        }
    }

    @Test func `an upload waits with its request, without piling up`() async throws {
        try await withRouter(loops: 1) { router in
            try router.route(endpoints: ["f": []])
            let size = 8 << 20
            async let answer = onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: \(size)\r\n\r\n")
                try socket.send([UInt8](repeating: 1, count: size))
                return try socket.receiveResponse(seconds: 20)
            }
            try await Task.sleep(for: .milliseconds(200))
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok("\(request.body.count)") }
            try router.route(["f": [upstream]])
            #expect(try await answer.text == "\(size)")
        }
    }
}

/// How many are inside at a time.
final class Counter: Sendable {
    private let state = Mutex((now: 0, highest: 0))
    func enter() {
        state.withLock { state in
            state.now += 1
            state.highest = max(state.highest, state.now)
        }
    }
    func leave() { state.withLock { $0.now -= 1 } }
    var highest: Int { state.withLock { $0.highest } }
}

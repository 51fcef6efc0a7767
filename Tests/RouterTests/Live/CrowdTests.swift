import Foundation
import Support
import Testing

/// Thousands of clients at once, idle or ill-behaved: they cost little, and nobody else notices. The clients are here, the Router is a process
/// of its own.
@Suite(.serialized) struct CrowdTests {
    /// How many seconds a client that behaves may wait for its answer at the most: of a debug build, on a machine with other work.
    private static let bound = 3.0

    @Test func `idle connections take less than 4 KB each, others are answered meanwhile, and their end is noticed`()
        async throws
    {
        let count = isLong ? 10_000 : 2_000
        try await withRouterProcess("--max-connections", "\(count + 200)", "--idle-timeout", "600") { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try await router.route(["f"], to: upstream)
            // What is there once is there before it counts.
            try await onThread { try Self.use(Self.connect(100, router.port)) }
            let neighbour = SteadyClient(router.port, "/fn/f")
            try await Task.sleep(for: .milliseconds(300))
            let (files, memory) = (router.openFiles, router.resident)
            let sockets = try await onThread {
                // Some at a time: a rush is not what this is about.
                try (0..<count / 100).flatMap { _ in
                    let some = try Self.connect(100, router.port)
                    try Self.use(some)
                    return some
                }
            }
            let each = (router.resident - memory) / count
            print("\(count) idle connections: \(each) bytes each")
            #expect(each < 4_000)
            #expect(router.openFiles >= files + count - 100)
            // They are as good as new.
            try await onThread { try Self.use(stride(from: 0, to: count, by: 37).map { sockets[$0] }) }
            let (answered, slowest, failures) = await neighbour.stop()
            print("others: \(answered) calls, the slowest \(slowest) s")
            #expect(failures.isEmpty && answered > 50, "\(answered): \(failures.prefix(3))")
            #expect(slowest < Self.bound)
            for socket in sockets { socket.close() }
            try await eventually("their end is noticed", seconds: 10) { router.openFiles < files + 100 }
            upstream.stop()
        }
    }

    @Test func `heads that trickle in are ended when their time is over, take little, and hold nobody up`() async throws
    {
        let count = isLong ? 5_000 : 500
        try await withRouterProcess("--max-connections", "\(count + 200)", "--header-timeout", "3") { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try await router.route(["f"], to: upstream)
            try await onThread { try Self.use(Self.connect(100, router.port)) }
            let neighbour = SteadyClient(router.port, "/fn/f")
            try await Task.sleep(for: .milliseconds(300))
            let (files, memory) = (router.openFiles, MemoryWatch(process: "\(router.processIdentifier)"))
            let answers = try await onThread { try Self.trickle(count, router.port, memory) }
            print(
                "\(count) slow heads: \(memory.growth / count) bytes each, ended after \(answers.map(\.seconds).min() ?? 0) to "
                    + "\(answers.map(\.seconds).max() ?? 0) s")
            #expect(
                answers.count == count && answers.allSatisfy { $0.text == "408 head-timeout" },
                "\(Set(answers.map(\.text)))")
            #expect(answers.allSatisfy { (2.8..<3 + Self.bound).contains($0.seconds) })
            #expect(memory.growth / count < 4_000)
            try await eventually("their end is noticed", seconds: 10) { router.openFiles < files + 100 }
            let (answered, slowest, failures) = await neighbour.stop()
            print("others: \(answered) calls, the slowest \(slowest) s")
            #expect(failures.isEmpty && answered > 50, "\(answered): \(failures.prefix(3))")
            #expect(slowest < Self.bound)
            #expect(upstream.requests.count == answered + 100)
            upstream.stop()
        }
    }

    @Test func `who reads almost nothing of an answer loses it, keeps little here, and holds nobody up`() async throws {
        let (count, timeout) = isLong ? (5_000, 60) : (300, 3)
        let size = 4 << 20
        try await withTemporaryDirectory { directory in
            let log = directory + "/access.log"
            try await withRouterProcess(
                "--max-connections", "\(count + 200)", "--stream-timeout", "\(timeout)", "--access-log", log
            ) { router in
                let upstream = try TestUpstream("a", path: router.path("a"), backlog: 4_096) { socket, _ in
                    // The system's buffers are not what this is about.
                    Self.limit(socket.descriptor, SO_SNDBUF, 16 << 10)
                    let block = [UInt8](repeating: 97, count: 1 << 16)
                    while let request = try? socket.receiveRequest(seconds: 60) {
                        guard request.target == "/large" else {
                            try socket.send(ok())
                            continue
                        }
                        try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
                        for _ in 0..<(size >> 16) { try socket.send(block) }
                    }
                }
                try await router.route(["f"], to: upstream)
                try await onThread { try Self.use(Self.connect(100, router.port)) }
                let neighbour = SteadyClient(router.port, "/fn/f")
                try await Task.sleep(for: .milliseconds(300))
                let (files, memory) = (router.openFiles, MemoryWatch(process: "\(router.processIdentifier)"))
                let sockets = try await onThread {
                    try (0..<count / 100).flatMap { round in
                        let some = try (0..<100).map { _ in try RawSocket.connect(router.port, prepare: Self.narrow) }
                        for socket in some { try socket.send("GET /fn/f/large HTTP/1.1\r\nHost: h\r\n\r\n") }
                        let began = Date()
                        while upstream.open < (round + 1) * 100 {
                            guard Date().timeIntervalSince(began) < 20 else {
                                throw RawSocket.Failure(description: "only \(upstream.open) were passed on")
                            }
                            usleep(5_000)
                        }
                        return some
                    }
                }
                // None is gone yet.
                #expect(upstream.open >= count)
                let start = Date()
                try await onThread {
                    while router.openFiles >= files + 100, Date().timeIntervalSince(start) < Double(timeout) + 10 {
                        for socket in sockets { Self.sip(socket) }
                        memory.look()
                        usleep(250_000)
                    }
                }
                let seconds = Date().timeIntervalSince(start)
                print("\(count) slow readers: \(memory.growth / count) bytes each, gone after \(seconds) s")
                #expect(seconds < Double(timeout) + Self.bound)
                // Between 64 KiB, where no more is wanted, and what one more read brings.
                #expect(memory.growth / count < 3 << 16)
                // The system is rid of them too: it would keep what is on its way to them for a quarter of an hour.
                try await eventually("nothing is on its way to them", seconds: 2) {
                    try Self.departing(router.port) == 0
                }
                let (answered, slowest, failures) = await neighbour.stop()
                print("others: \(answered) calls, the slowest \(slowest) s")
                #expect(failures.isEmpty && answered > 50, "\(answered): \(failures.prefix(3))")
                #expect(slowest < Self.bound)
                // None of them can take what it has for the whole.
                let lengths = try await onThread { sockets.map(Self.rest) }
                #expect(lengths.allSatisfy { $0 < size }, "\(lengths.max() ?? 0)")
                try await eventually("the instance is rid of them") { upstream.open < 100 }
                try await eventually("each is logged") {
                    let text = try String(contentsOfFile: log, encoding: .utf8)
                    return text.split(separator: "\n").count { $0.contains("\"reason\":\"stream-timeout\"") } == count
                }
                upstream.stop()
            }
        }
    }

    // MARK: Clients

    private static func connect(_ count: Int, _ port: Int) throws -> [RawSocket] {
        try (0..<count).map { _ in try RawSocket.connect(port) }
    }

    /// One call on each, all of them under way at once.
    private static func use(_ sockets: [RawSocket]) throws {
        for start in stride(from: 0, to: sockets.count, by: 100) {
            let some = sockets[start..<min(start + 100, sockets.count)]
            for socket in some { try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n") }
            for socket in some {
                let status = try socket.receiveResponse(seconds: 10).status
                #expect(status == 200)
            }
        }
    }

    private struct Ending {
        var text: String
        /// Since its first byte.
        var seconds: Double
    }

    /// Sends heads byte by byte, on `count` connections at once, until each has been ended.
    private static func trickle(_ count: Int, _ port: Int, _ memory: MemoryWatch) throws -> [Ending] {
        var open = try (0..<count).map { number in
            let socket = try RawSocket.connect(port)
            let start = Date()
            try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\nX-Slow: ")
            if number % 100 == 0 { usleep(40_000) }
            return (socket, start)
        }
        var endings: [Ending] = []
        // A look every tenth of a second, a byte every half.
        for turn in 1...200 where !open.isEmpty {
            usleep(100_000)
            memory.look()
            var left: [(RawSocket, Date)] = []
            for (socket, start) in open {
                // Where an answer has come nothing more is sent: that could end it by a reset.
                guard socket.hasInput else {
                    if turn % 5 == 0 { try? socket.send("a") }
                    left.append((socket, start))
                    continue
                }
                let seconds = Date().timeIntervalSince(start)
                let answer = try socket.receiveResponse()
                endings.append(Ending(text: "\(answer.status) \(answer["X-Kiln-Reason"] ?? "")", seconds: seconds))
                socket.close()
            }
            open = left
        }
        return endings
    }

    /// A client at the end of a thin line, which has room for little.
    private static func narrow(_ descriptor: CInt) {
        limit(descriptor, SO_RCVBUF, 4_096)
        var segment: CInt = 1_000
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_MAXSEG, &segment, socklen_t(MemoryLayout<CInt>.size))
    }

    private static func limit(_ descriptor: CInt, _ option: CInt, _ bytes: CInt) {
        var bytes = bytes
        setsockopt(descriptor, SOL_SOCKET, option, &bytes, socklen_t(MemoryLayout<CInt>.size))
    }

    /// Connections at `port` of which the end has been sent, behind bytes that nobody takes: FIN-WAIT-1 in proc(5)'s table.
    private static func departing(_ port: Int) throws -> Int {
        let place = ":" + String(port, radix: 16, uppercase: true)
        return try String(contentsOfFile: "/proc/net/tcp", encoding: .utf8).split(separator: "\n").count { line in
            let parts = line.split(separator: " ")
            return parts.count > 3 && parts[1].hasSuffix(place) && parts[3] == "04"
        }
    }

    /// Reads one byte, if there is one.
    private static func sip(_ socket: RawSocket) {
        var byte: UInt8 = 0
        recv(socket.descriptor, &byte, 1, Int32(MSG_DONTWAIT))
    }

    /// How many more bytes come until the connection ends, in order or by a reset.
    private static func rest(_ socket: RawSocket) -> Int {
        var total = 0
        while let some = try? socket.receiveSome(), !some.isEmpty { total += some.count }
        return total
    }
}

extension RawSocket {
    /// Whether there is something to receive, or the connection has ended.
    fileprivate var hasInput: Bool {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }
}

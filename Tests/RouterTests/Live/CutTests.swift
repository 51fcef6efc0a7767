import Contract
import Foundation
import Telemetry
import Testing

@testable import Router

/// What is broken off once a head has been sent: the client cannot take the part for the whole, and who operates the Router learns why.
@Suite struct CutTests {
    /// How an instance says where its response ends; `closed` is what a client of HTTP/1.0 gets instead of chunks.
    enum Framing: String, CaseIterable { case length, chunked, closed }

    @Test(arguments: Framing.allCases)
    func `a response that stands still is cut, and is not complete`(framing: Framing) async throws {
        try await withLoggedRouter({ $0.timeouts.stream = .milliseconds(300) }) { router, reasons in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send(
                    "HTTP/1.1 200 OK\r\n"
                        + (framing == .length
                            ? "Content-Length: 10\r\n\r\nhello" : "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"))
                _ = try? socket.receiveSome(seconds: 30)
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                let start = Date()
                try socket.send("GET /fn/f HTTP/\(framing == .closed ? "1.0" : "1.1")\r\nHost: h\r\n\r\n")
                let head = try socket.receiveHead()
                #expect(head.status == 200 && head["X-Kiln-Reason"] == nil)
                switch framing {
                case .length: #expect(try socket.receiveAll() == "hello")
                case .chunked: #expect(try socket.receiveAll() == "5\r\nhello\r\n")
                case .closed:
                    // Only the connection's end would tell that it is whole: it is reset instead.
                    #expect(try socket.receive(5) == Array("hello".utf8))
                    #expect(throws: RawSocket.Failure.self) { try socket.receiveAll() }
                }
                #expect((0.25..<3).contains(Date().timeIntervalSince(start)))
            }
            try await expectCut(router, reasons, .streamTimeout, status: 200)
            // The instance's side ends, too: it does not work for nobody.
            try await eventually("its connection is closed") { upstream.open == 0 }
        }
    }

    @Test func `a client that takes nothing of its response is cut for that reason`() async throws {
        try await withLoggedRouter({ $0.timeouts.stream = .milliseconds(300) }) { router, reasons in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
                while true { try socket.send([UInt8](repeating: 1, count: 1 << 20)) }
            }
            try router.route(["f": [upstream]])
            let socket = try router.connect()
            try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
            try await expectCut(router, reasons, .streamTimeout, status: 200)
            try await eventually("the instance is left alone") { upstream.open == 0 }
            withExtendedLifetime(socket) {}
        }
    }

    @Test func `a request body that stands still after the response has begun ends with the response`() async throws {
        try await withLoggedRouter({
            $0.timeouts.stream = .milliseconds(300); $0.timeouts.body = .milliseconds(100)
        }) { router, reasons in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveHead()
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
                while !(try socket.receiveSome(seconds: 30)).isEmpty {}
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nab")
                #expect(try socket.receiveHead().status == 200)
                #expect(try socket.receiveAll() == "hello")
            }
            try await expectCut(router, reasons, .streamTimeout, status: 200)
        }
    }

    @Test func `a request body that goes wrong after the response has begun cuts it`() async throws {
        try await withLoggedRouter({ $0.limits.functionBody = 4 }) { router, reasons in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveHead()
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
                while !(try socket.receiveSome(seconds: 30)).isEmpty {}
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
                #expect(try socket.receiveHead().status == 200)
                #expect(try socket.receive(5) == Array("hello".utf8))
                try socket.send("5\r\n12345\r\n")
                #expect((try? socket.receiveAll()) ?? "" == "")
            }
            try await expectCut(router, reasons, .requestRefused, status: 200)
        }
    }

    @Test func `an instance that ends within its response is told apart from one that sends nonsense`() async throws {
        for (rest, cut) in [("", Cut.upstreamClosed), ("nonsense\r\n", .upstreamMalformed)] {
            try await withLoggedRouter { router, reasons in
                let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                    _ = try socket.receiveRequest()
                    try socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
                    usleep(50_000)
                    try socket.send(rest)
                }
                try router.route(["f": [upstream]])
                try await onThread { [port = router.port] in
                    let socket = try RawSocket.connect(port)
                    try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                    _ = try socket.receiveHead()
                    #expect(try socket.receiveAll() == "5\r\nhello\r\n")
                }
                try await expectCut(router, reasons, cut, status: 200)
            }
        }
    }

    @Test func `a WebSocket that is silent is closed, and the log says why`() async throws {
        try await withLoggedRouter({ $0.timeouts.tunnel = .milliseconds(300) }) { router, reasons in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                while let bytes = try? socket.receiveSome(seconds: 30), !bytes.isEmpty { try socket.send(bytes) }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                #expect(try socket.receiveHead().status == 101)
                try socket.send("x")
                #expect(try socket.receive(1) == [120])
                let start = Date()
                #expect(try socket.receiveAll() == "")
                #expect((0.25..<3).contains(Date().timeIntervalSince(start)))
            }
            try await expectCut(router, reasons, .websocketTimeout, status: 101)
            try await eventually("the instance sees the end") { upstream.open == 0 }
        }
    }

    @Test func `what ends as it should is no cut, nor is a client that leaves`() async throws {
        try await withLoggedRouter({ $0.timeouts.idle = .milliseconds(200) }) { router, reasons in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                while let request = try? socket.receiveRequest(seconds: 30) {
                    try socket.send(ok("hello"))
                    if request.target == "/more" { _ = try? socket.receiveSome(seconds: 30) }
                }
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let idle = try RawSocket.connect(port)
                try idle.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                #expect(try idle.receiveResponse().text == "hello")
                #expect(try idle.receiveAll() == "")
                let gone = try RawSocket.connect(port)
                try gone.send("GET /fn/f/more HTTP/1.1\r\nHost: h\r\n\r\n")
                gone.reset()
            }
            try await eventually("both are logged", seconds: 60) { reasons().count == 2 }
            #expect(reasons().allSatisfy { $0.reason == nil })
            #expect(try await cuts(router).values.allSatisfy { $0 == 0 })
        }
    }

    // MARK: What is told

    private struct Line: Decodable {
        var status: Int
        var reason: String?
    }

    private func withLoggedRouter(
        _ configure: (inout RouterConfiguration) -> Void = { _ in },
        _ body: (TestRouter, @escaping () -> [Line]) async throws -> Void
    ) async throws {
        let path = NSTemporaryDirectory() + "kiln-cuts-" + UUID().uuidString
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try AccessLog(path: path, limit: 1 << 20)
        try await withRouter(
            loops: 1,
            configure: {
                $0.accessLog = log
                configure(&$0)
            }
        ) { router in
            try await body(router) {
                let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
                return text.split(separator: "\n").compactMap {
                    try? JSONDecoder().decode(Line.self, from: Data($0.utf8))
                }
            }
        }
    }

    private func cuts(_ router: TestRouter) async throws -> [String: Double] {
        let families = try await router.server.metrics()
        let family = try #require(families.first { $0.name == "kiln_router_broken_responses_total" })
        return Dictionary(family.samples.map { ($0.labels.first?.value ?? "", $0.value) }) { $1 }
    }

    /// One line of the log, with this status and reason, and one cut counted, for the same.
    private func expectCut(
        _ router: TestRouter, _ reasons: () -> [Line], _ cut: Cut, status: Int,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await eventually("it is logged", seconds: 60, { !reasons().isEmpty }, sourceLocation: sourceLocation)
        #expect(reasons().map(\.reason) == [cut.rawValue], sourceLocation: sourceLocation)
        #expect(reasons().map(\.status) == [status], sourceLocation: sourceLocation)
        let counted = try await cuts(router).filter { $0.value > 0 }
        #expect(counted == [cut.rawValue: 1], sourceLocation: sourceLocation)
    }
}

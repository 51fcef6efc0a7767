import Foundation
import Synchronization
import Testing

@testable import Router

/// Bodies that don't fit anywhere, and bodies that come bit by bit.
@Suite(.serialized) struct StreamTests {
    private static let gigabyte = 1 << 30

    @Test func `each event arrives when it is sent`() async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveHead()
                try socket.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
                for index in 0..<20 {
                    let event = "data: \(index)\n\n"
                    try socket.send("\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n")
                    // The next one only after this one has been seen.
                    _ = try socket.receiveSome(seconds: 5)
                }
                try socket.send("0\r\n\r\n")
            }
            try router.route(["f": [upstream]], timeout: .milliseconds(200))
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
                #expect(try socket.receiveHead()["Content-Type"] == "text/event-stream")
                var slowest = 0.0
                for index in 0..<20 {
                    let start = Date()
                    #expect(try socket.receive(through: "data: \(index)\n\n\r\n").hasSuffix("data: \(index)\n\n\r\n"))
                    slowest = max(slowest, Date().timeIntervalSince(start))
                    usleep(20_000)
                    try socket.send("1\r\nx\r\n")
                }
                #expect(slowest < 0.5)
                try socket.send("0\r\n\r\n")
                _ = try socket.receive(through: "0\r\n\r\n")
            }
        }
    }

    @Test(arguments: ["length", "chunked"])
    func `a gigabyte goes down in flat memory`(framing: String) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                let block = [UInt8](repeating: 97, count: 1 << 20)
                let chunked = framing == "chunked"
                try socket.send(
                    "HTTP/1.1 200 OK\r\n"
                        + (chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(Self.gigabyte)\r\n\r\n"))
                for _ in 0..<(Self.gigabyte >> 20) {
                    if chunked { try socket.send("100000\r\n") }
                    try socket.send(block)
                    if chunked { try socket.send("\r\n") }
                }
                if chunked { try socket.send("0\r\n\r\n") }
            }
            try router.route(["f": [upstream]])
            let (received, growth) = try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
                _ = try socket.receiveHead()
                let memory = MemoryWatch()
                // A client slower than the instance: what it doesn't take must wait there.
                usleep(200_000)
                let received = try socket.drain(memory)
                return (received, memory.growth)
            }
            #expect(received >= Self.gigabyte)
            #expect(growth < 24 << 20, "\(growth >> 20) MiB")
        }
    }

    @Test(arguments: ["length", "chunked"])
    func `a gigabyte goes up in flat memory`(framing: String) async throws {
        try await withRouter(loops: 1) { router in
            let memory = MemoryWatch()
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveHead()
                usleep(200_000)
                let received = try socket.drain(memory, until: Self.gigabyte)
                try socket.send(ok("\(received)"))
                usleep(100_000)
            }
            try router.route(["f": [upstream]])
            let answer = try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                let chunked = framing == "chunked"
                try socket.send(
                    "POST /fn/f HTTP/1.1\r\nHost: h\r\n"
                        + (chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: \(Self.gigabyte)\r\n\r\n"))
                let block = [UInt8](repeating: 97, count: 1 << 20)
                for _ in 0..<(Self.gigabyte >> 20) {
                    if chunked { try socket.send("100000\r\n") }
                    try socket.send(block)
                    if chunked { try socket.send("\r\n") }
                }
                if chunked { try socket.send("0\r\n\r\n") }
                return try socket.receiveResponse(seconds: 10)
            }
            #expect(Int(answer.text) ?? 0 >= Self.gigabyte)
            #expect(memory.growth < 24 << 20, "\(memory.growth >> 20) MiB")
        }
    }

    @Test func `both directions flow at once`() async throws {
        try await withRouter(loops: 1) { router in
            let size = 64 << 20
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveHead()
                try socket.send("HTTP/1.1 200 OK\r\nContent-Length: \(size)\r\n\r\n")
                var passed = 0
                while passed < size {
                    let bytes = try socket.receiveSome()
                    passed += bytes.count
                    try socket.send(bytes)
                }
                _ = try? socket.receiveSome(seconds: 5)
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: \(size)\r\n\r\n")
                Thread {
                    let block = [UInt8](repeating: 97, count: 1 << 20)
                    for _ in 0..<(size >> 20) { try? socket.send(block) }
                }.start()
                _ = try socket.receiveHead()
                #expect(try socket.drain(MemoryWatch(), until: size) == size)
            }
        }
    }
}

extension RawSocket {
    /// Reads and forgets until `count` bytes have come or the connection ends; returns how many came.
    func drain(_ memory: MemoryWatch, until count: Int = .max) throws -> Int {
        var buffer = [UInt8](repeating: 0, count: 1 << 18)
        var total = takeBuffered().count
        var rounds = 0
        while total < count {
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 10_000) > 0 else { throw Failure(description: "nothing received in time") }
            let received = recv(descriptor, &buffer, buffer.count, 0)
            guard received >= 0 else { throw Failure(description: "recv: \(String(cString: strerror(errno)))") }
            if received == 0 { break }
            total += received
            rounds += 1
            if rounds % 256 == 0 { memory.look() }
        }
        return total
    }
}

/// How much a process has grown since this was made, at the most.
final class MemoryWatch: Sendable {
    private let process: String
    private let start: Int
    private let highest = Mutex(0)

    /// Watches the process with this id, or this one.
    init(process: String = "self") {
        self.process = process
        start = Self.resident(process)
    }

    func look() {
        let now = Self.resident(process)
        highest.withLock { $0 = max($0, now) }
    }

    var growth: Int { highest.withLock { max(0, $0 - start) } }

    /// Bytes of a process's memory that are resident.
    static func resident(_ process: String) -> Int {
        let text = (try? String(contentsOfFile: "/proc/\(process)/statm", encoding: .utf8)) ?? ""
        return (Int(text.split(separator: " ").dropFirst().first ?? "") ?? 0) * 4096
    }
}

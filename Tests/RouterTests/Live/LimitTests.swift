import Contract
import Foundation
import Testing

@testable import Router

/// What the Router takes in, and how it says that something is too much: by the number and the operator's flag.
@Suite struct LimitTests {
    @Test func `a head that is too large is refused by the limit that it meets`() async throws {
        try await withRouter(configure: {
            $0.limits.targetBytes = 200
            $0.limits.headBytes = 1_024
            $0.limits.fields = 8
        }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            #expect(try await router.get("/fn/f?" + String(repeating: "a", count: 150)).status == 200)
            let long = try await router.get("/fn/f?" + String(repeating: "a", count: 300))
            #expect(long.status == 414 && long.text.contains("200 bytes (--max-target)"), "\(long.text)")
            let large = try await router.get("/fn/f", "X: \(String(repeating: "a", count: 1_024))\n")
            #expect(large.status == 431 && large.text.contains("1024 bytes (--max-header-bytes)"), "\(large.text)")
            let many = try await router.get("/fn/f", (0..<9).map { "X-\($0): a\n" }.joined())
            #expect(many.status == 431 && many.text.contains("8 fields (--max-headers)"), "\(many.text)")
        }
    }

    @Test func `what just fits is taken, and one more is not`() async throws {
        try await withRouter { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in ok("\(request.target.utf8.count)")
            }
            try router.route(["f": [upstream]])
            for (size, status) in [(8_192, 200), (8_193, 414)] {
                let answer = try await router.get("/fn/f/" + String(repeating: "a", count: size - 6))
                #expect(answer.status == status && (status != 200 || answer.text == "\(size - 5)"), "\(size)")
            }
            // Host is the first of them.
            for (count, status) in [(99, 200), (100, 431)] {
                let answer = try await router.get("/fn/f", String(repeating: "X: y\n", count: count))
                #expect(answer.status == status, "\(count)")
            }
            let fixed = "GET /fn/f HTTP/1.1\r\nHost: localhost\r\nX: \r\n\r\n".utf8.count
            for (size, status) in [(32_768, 200), (32_769, 431)] {
                let answer = try await router.get("/fn/f", "X: \(String(repeating: "a", count: size - fixed))\n")
                #expect(answer.status == status, "\(size)")
            }
        }
    }

    @Test func `a body beyond the limit is refused, told ahead or not`() async throws {
        try await withRouter(configure: { $0.limits.functionBody = 10 }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let post = "POST /fn/f HTTP/1.1\nHost: h\n"
            #expect(try await router.call(post + "Content-Length: 10\n\n0123456789").status == 200)
            for body in ["Content-Length: 11\n\n01234567890", "Transfer-Encoding: chunked\n\nb\n01234567890\n0\n\n"] {
                let answer = try await router.call(post + body)
                #expect(answer.status == 413 && answer.text.contains("10 bytes (--max-body)"), "\(answer.text)")
            }
        }
    }

    @Test func `who has sent megabytes before reading that they are refused reads it all the same`() async throws {
        try await withRouter(configure: { $0.limits.functionBody = 10 }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let answer = try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 100000000\r\n\r\n")
                for _ in 0..<8 { try socket.send([UInt8](repeating: 0, count: 1 << 20)) }
                return try socket.receiveResponse()
            }
            #expect(answer.status == 413, "\(answer.text)")
        }
    }

    @Test func `one connection too many is told so`() async throws {
        try await withRouter(loops: 1, configure: { $0.limits.connections = 3 }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let answer = try await onThread { [port = router.port] in
                let open = try (0..<3).map { _ in
                    let socket = try RawSocket.connect(port)
                    try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\n\r\n")
                    #expect(try socket.receiveResponse().status == 200)
                    return socket
                }
                let answer = try RawSocket.connect(port).receiveResponse()

                return withExtendedLifetime(open) { answer }
            }
            #expect(answer.status == 503 && answer.text.contains("3 connections are open"), "\(answer.text)")
            #expect(answer.text.contains("--max-connections") && answer.values("Retry-After") == ["1"])
        }
    }

    @Test func `what waits too long, or is one too many to wait, is told the flag`() async throws {
        try await withRouter(configure: {
            $0.limits.held = 0
            $0.timeouts.hold = .milliseconds(300)
            $0.timeouts.head = .milliseconds(300)
            $0.timeouts.body = .milliseconds(300)
        }) { router in
            try router.route(endpoints: ["f": []])
            let full = try await router.get("/fn/f")
            #expect(full.status == 503 && full.text.contains("--max-waiting"), "\(full.text)")
            let slow = try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTT")
                return try socket.receiveResponse(seconds: 60)
            }
            #expect(slow.status == 408 && slow.text.contains("0.3 s (--header-timeout)"), "\(slow.text)")
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            let stuck = try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("POST /fn/f HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab")
                return try socket.receiveResponse(to: "POST", seconds: 60)
            }
            #expect(stuck.status == 408 && stuck.text.contains("0.3 s (--body-timeout)"), "\(stuck.text)")
        }
        try await withRouter(configure: { $0.timeouts.hold = .milliseconds(300) }) { router in
            try router.route(endpoints: ["f": []])
            let late = try await router.get("/fn/f", seconds: 60)
            #expect(late.status == 504 && late.text.contains("0.3 s (--wait-timeout)"), "\(late.text)")
        }
    }
}

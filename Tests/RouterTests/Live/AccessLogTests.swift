import Contract
import Foundation
import Support
import Testing

@testable import Router

/// A line for each request, where that was asked for.
@Suite struct AccessLogTests {
    private struct Line: Decodable {
        var requestId: String?
        var client: String?
        var method: String?
        var target: String?
        var `protocol`: String?
        var status: Int?
        var milliseconds: Double?
        var waitedMilliseconds: Double?
        var function: String?
        var instance: String?
        var reason: String?
        var bytes: Int?
        var time: String?
    }

    private func lines(_ path: String) -> [Line] {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { try? JSONDecoder().decode(Line.self, from: Data($0.utf8)) }
    }

    private func path() -> String { NSTemporaryDirectory() + "kiln-access-" + UUID().uuidString }

    @Test func `every request has a line with what came of it`() async throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try AccessLog(path: path, limit: 1 << 20)
        try await withRouter(configure: { $0.accessLog = log }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in
                usleep(20_000)
                return ok()
            }
            try router.route(["f": [upstream]])
            let answer = try await router.get("/fn/f/x?q=%22", "X-Request-Id: mine\n")
            #expect(answer.status == 200)
            #expect(try await router.get("/fn/unknown").status == 404)
            #expect(try await router.get("/healthz").status == 200)
            #expect(try await router.call("nonsense\n\n").status == 400)
            try await eventually("three lines", seconds: 60) { lines(path).count == 3 }
            let all = lines(path)
            let first = try #require(all.first { $0.function == "f" })
            #expect(first.requestId == "mine" && first.client == "127.0.0.1" && first.method == "GET")
            #expect(first.target == "/fn/f/x?q=%22" && first.status == 200 && first.instance == "a")
            #expect(first.reason == nil && first.milliseconds ?? 0 >= 20 && first.waitedMilliseconds ?? -1 >= 0)
            #expect(first.time?.hasSuffix("Z") == true)
            #expect(all.contains { $0.target == "/fn/unknown" && $0.status == 404 && $0.reason == "unknown-function" })
            #expect(all.contains { $0.target == "/healthz" && $0.status == 200 })
        }
    }

    @Test func `a full file makes room for the next, and one that was moved away is begun anew`() async throws {
        let path = path()
        defer { for name in [path, path + ".1", path + ".old"] { try? FileManager.default.removeItem(atPath: name) } }
        let log = try AccessLog(path: path, limit: 1000)
        for number in 0..<100 {
            log.append(Array("{\"status\":\(number)}\n".utf8))
            // One write each: what is written together is not cut.
            try await eventually("it is written", seconds: 60) { lines(path).last?.status == number }
        }
        func size(_ path: String) -> Int { (try? Data(contentsOf: URL(filePath: path)).count) ?? 0 }
        #expect(size(path) <= 1000 && size(path + ".1") <= 1000 && size(path + ".1") > 900)
        try FileManager.default.moveItem(atPath: path, toPath: path + ".old")
        log.append(Array("{\"status\":200}\n".utf8))
        try await eventually("it is begun anew", seconds: 60) { lines(path).map(\.status) == [200] }
    }

    @Test func `what would break a line is escaped`() throws {
        let entry = AccessLogEntry(
            time: Timestamp(milliseconds: 0), requestID: "a\"b", client: "::1", method: "GET", target: "/\\\n\u{7f}é",
            version: "HTTP/2", status: 0, reason: nil, function: nil, instance: nil, nanoseconds: 1_234_567,
            waitedNanoseconds: -5, bytes: 7)
        let text = String(decoding: entry.line(.json), as: UTF8.self)
        #expect(text.hasSuffix("}\n") && text.split(separator: "\n").count == 1)
        let line = try JSONDecoder().decode(Line.self, from: Data(text.utf8))
        #expect(line.requestId == "a\"b" && line.target == "/\\\n\u{7f}é" && line.milliseconds == 1.234)
        #expect(line.waitedMilliseconds == 0 && line.protocol == "HTTP/2" && line.bytes == 7)
        #expect(
            String(decoding: entry.line(.common), as: UTF8.self)
                == #"::1 - - [01/Jan/1970:00:00:00 +0000] "GET /\x5C\x0A\x7F\xC3\xA9 HTTP/2.0" 499 7"# + "\n")
    }

    @Test func `the Common Log Format is what tools read that know other servers`() async throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try AccessLog(path: path, limit: 1 << 20, format: .common)
        try await withRouter(configure: { $0.accessLog = log }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                request.method == "HEAD" ? "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" : ok("12345")
            }
            try router.route(["f": [upstream]])
            #expect(try await router.get("/fn/f/x?q=%22").status == 200)
            #expect(try await router.call("HEAD /fn/f/head HTTP/1.1\nHost: x\nConnection: close\n\n").status == 200)
            #expect(try await router.get("/fn/unknown").status == 404)
            #expect(try await router.get("/healthz").status == 200)
            func read() -> [Substring] {
                ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").split(separator: "\n")
            }
            try await eventually("four lines", seconds: 60) { read().count == 4 }
            let form =
                /(\S+) - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "(\S+) (\S+) HTTP\/1\.1" (\d{3}) (\d+)/
            let found = try read().map { line in
                let match = try #require(try form.wholeMatch(in: line), "\(line)")
                #expect(match.1 == "127.0.0.1")
                return
                    "\(match.2) \(match.3) \(match.4) \(match.4 == "404" ? Int(match.5)! > 50 ? "some" : "none" : match.5)"
            }
            #expect(
                Set(found) == [
                    "GET /fn/f/x?q=%22 200 5", "HEAD /fn/f/head 200 0", "GET /fn/unknown 404 some",
                    "GET /healthz 200 3",
                ])
        }
    }

    @Test(arguments: [AccessLogFormat.json, .common])
    func `a client that goes before its answer is a line, too`(format: AccessLogFormat) async throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try AccessLog(path: path, limit: 1 << 20, format: format)
        try await withRouter(configure: { $0.accessLog = log }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, server in
                server.record(try socket.receiveRequest())
                _ = try? socket.receiveSome(seconds: 30)
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f/gone HTTP/1.1\r\nHost: h\r\n\r\n")
                while upstream.requests.isEmpty { usleep(1_000) }
                socket.reset()
            }
            func text() -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
            try await eventually("a line", seconds: 60) { text().hasSuffix("\n") }
            switch format {
            case .json:
                let line = try #require(lines(path).first)
                #expect(line.status == 0 && line.target == "/fn/f/gone" && line.instance == "a" && line.bytes == 0)
            case .common: #expect(text().hasSuffix("\"GET /fn/f/gone HTTP/1.1\" 499 0\n"), "\(text())")
            }
        }
    }

    @Test func `of a sample nothing is left out that has failed`() async throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let none = try AccessLog(path: path, limit: 1 << 20, sample: 0)
        try await withRouter(configure: { $0.accessLog = none }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { request in
                request.target == "/fails" ? "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n" : ok()
            }
            try router.route(["f": [upstream]])
            for _ in 0..<5 { #expect(try await router.get("/fn/f/x").status == 200) }
            #expect(try await router.get("/fn/unknown").status == 404)
            #expect(try await router.get("/fn/f/fails").status == 500)
            try await eventually("a line", seconds: 60) { !lines(path).isEmpty }
            try await Task.sleep(for: .milliseconds(200))
            #expect(lines(path).map(\.status) == [500])
        }
        let some = try AccessLog(path: path, limit: 1 << 20, sample: 0.25)
        var random = SystemRandomNumberGenerator()
        let taken = (0..<10_000).count { _ in some.takes { random.next() } }
        #expect((2_000...3_000).contains(taken))
    }

    @Test func `a line says which HTTP the client spoke`() async throws {
        let path = path()
        defer { try? FileManager.default.removeItem(atPath: path) }
        let log = try AccessLog(path: path, limit: 1 << 20)
        try await withRouter(configure: { $0.accessLog = log }) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { _ in ok() }
            try router.route(["f": [upstream]])
            _ = try await router.get("/fn/f/one")
            _ = try await router.call("GET /fn/f/old HTTP/1.0\n\n")
            for target in ["/fn/f/two", "/fn/unknown"] {
                _ = try await command(
                    "curl",
                    ["-s", "--http2-prior-knowledge", "--max-time", "10", "http://127.0.0.1:\(router.port)\(target)"])
            }
            try await eventually("four lines", seconds: 60) { lines(path).count == 4 }
            let spoken = Dictionary(uniqueKeysWithValues: lines(path).map { ($0.target ?? "", $0.protocol ?? "") })
            #expect(
                spoken == [
                    "/fn/f/one": "HTTP/1.1", "/fn/f/old": "HTTP/1.0", "/fn/f/two": "HTTP/2", "/fn/unknown": "HTTP/2",
                ])
        }
    }

    @Test func `a file that cannot be opened is a sentence`() throws {
        let error = #expect(throws: RouterError.self) { try AccessLog(path: "/nonexistent/log", limit: 1000) }
        #expect(error?.message.contains("/nonexistent/log") == true && error?.message.contains("--access-log") == true)
    }
}

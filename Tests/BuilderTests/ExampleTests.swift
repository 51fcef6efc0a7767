import Builder
import Foundation
import Testing
import Transfer

/// The examples as they stand: checked, then run as the image runs them.
@Suite struct ExampleTests {
    @Test func `useragent answers with what called it`() async throws {
        try await withExample("useragent", .request) { function in
            let answer = try await function.call("/", headers: ["User-Agent": "kiln-test/1"])
            #expect(answer.text == "Hello, kiln-test/1!\n")
        }
    }

    @Test func `cards draws cards, and only at its path`() async throws {
        try await withExample("cards", .event) { function in
            var drawn: Set<String> = []
            for _ in 0..<30 {
                let answer = try await function.call("/draw")
                #expect(answer.status == 200)
                #expect(answer.headers["Content-Type"] == "application/json")
                drawn.insert(answer.text)
            }
            #expect(drawn.count > 10)
            let other = try await function.call("/other")
            #expect(other.status == 404)
            #expect(other.text.contains("/draw"))
        }
    }

    @Test func `load burns the time it is asked to, within bounds`() async throws {
        try await withExample("load", .request) { function in
            let begin = ContinuousClock.now
            let answer = try await function.call("/?ms=100")
            #expect(answer.status == 200)
            #expect(begin.duration(to: .now) >= .milliseconds(100))
            for refused in ["60000", "x"] {
                let answer = try await function.call("/?ms=\(refused)")
                #expect(answer.status == 400)
            }
        }
    }

    @Test func `stream sends each event when it happens`() async throws {
        try await withExample("stream", .request) { function in
            // Of a stream that goes on for an hour, the first events arrive now.
            let request = ClientRequest(.get, "http://function/?count=72000&every=50", socket: function.socket)
            let response = try await function.client.execute(request)
            #expect(response.headers["Content-Type"] == "text/event-stream")
            var text = ""
            for try await chunk in response.body {
                text += String(decoding: chunk, as: UTF8.self)
                if text.contains("id: 3\n") { break }
            }
            #expect(text.hasPrefix("id: 1\ndata: {"))
            let short = try await function.call("/?count=2&every=0")
            #expect(short.text.split(separator: "\n\n").count == 2)
        }
    }

    @Test func `websocket sends back what it gets`() async throws {
        try await withExample("websocket", .serve) { function in
            #expect(try await function.call("/").status == 426)
            let connection = try RawConnection(function.socket)
            try connection.write(
                Array(
                    """
                    GET / HTTP/1.1\r\nHost: function\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n
                    """.utf8))
            let head = try connection.readHead()
            #expect(head.hasPrefix("HTTP/1.1 101"))
            #expect(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
            // A masked text frame (RFC 6455 §5.2) with a mask of zeros.
            try connection.write([0x81, 0x85, 0, 0, 0, 0] + Array("hello".utf8))
            #expect(try connection.read() == [0x81, 0x05] + Array("hello".utf8))
        }
    }

    @Test func `state has its configuration and counts in tmp`() async throws {
        try? FileManager.default.removeItem(atPath: "/tmp/count")
        defer { try? FileManager.default.removeItem(atPath: "/tmp/count") }
        try await withExample("state", .request, environment: ["GREETING": "Moin"]) { function in
            for count in 1...2 {
                let answer = try await function.call("/")
                #expect(answer.text == #"{"greeting":"Moin","count":\#(count)}"#)
            }
        }
    }

    private func withExample(
        _ name: String, _ form: HandlerForm, environment: [String: String] = [:],
        _ body: @escaping @Sendable (DenoServer) async throws -> Void
    ) async throws {
        let source = try String(decoding: Clone.example(name), as: UTF8.self)
        try await withChecker { checker in
            let module = try await checker.module(of: source)
            #expect(module.form == form)
            let outcome = try await withFunction(module.code, module.form, environment: environment) { function in
                try await body(#require(function))
            }
            #expect(outcome.exitCode == 0, "\(outcome.log)")
        }
    }
}

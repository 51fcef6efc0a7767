import NIOCore
import Testing

@testable import Router

@Suite struct ResponseDecoderTests {
    /// The events that `text` decodes to, as words; ends with the error, or with `close` when the connection's end is
    /// one.
    private func events(_ text: String, to method: RequestHead.Method = .get, step: Int = .max) -> [String] {
        var decoder = ResponseDecoder(limits: HeadScanner.Limits(startLine: 200, bytes: 2000, fields: 20))
        decoder.begin(method)
        let all = Array(text.utf8)
        var result: [String] = []
        var data = ""
        func add(_ event: ResponseDecoder.Event) {
            if case .body(let bytes) = event { return data += String(buffer: bytes) }
            if !data.isEmpty { result.append(data) }
            data = ""
            switch event {
            case .interim(let head, _): result.append("\(head.status)")
            case .head(let head, let facts): result.append("\(head.status) \(facts.framing) \(facts.persistent)")
            case .end(let trailers): result.append("end\(trailers.map { " \($0.fields.count)" } ?? "")")
            case .body: break
            }
        }
        do throws(SyntaxError) {
            var position = 0
            while position < all.count {
                let end = step == .max ? all.count : min(all.count, position + step)
                decoder.append(ByteBuffer(bytes: all[position..<end]))
                position = end
                while let event = try decoder.next() { add(event) }
            }
            if let event = try decoder.finish() {
                add(event)
                result.append("close")
            }
        } catch {
            if !data.isEmpty { result.append(data) }
            result.append("\(error)")
        }
        return result
    }

    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ["200 length(2) true", "ok", "end"]),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", ["200 none true", "end"]),
        (
            "HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nok\r\n0\r\nA: b\r\n\r\n",
            ["200 chunked true", "ok", "end 1"]
        ),
        ("HTTP/1.1 200 OK\r\n\r\nall of it", ["200 untilClose false", "all of it", "end", "close"]),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", ["200 length(1) false", "x", "end"]),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
            ["200 length(1) true", "x", "end"]
        ),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", ["200 length(1) false", "x", "end"]),
        ("HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", ["204 none true", "end"]),
        ("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n", ["304 none true", "end"]),
        (
            "HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 103 H\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            ["100", "103", "200 none true", "end"]
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", ["200 length(5) true", "abc", "truncated"]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", ["200 chunked true", "abc", "truncated"]),
        ("HTTP/1.1 200 OK\r\nConte", ["truncated"]),
        ("", ["truncated"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", ["malformedFraming"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", ["malformedFraming"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", ["malformedFraming"]),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", ["malformedFraming"]),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ["malformedFraming"]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", ["unsupportedTransferCoding"]),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: \r\n\r\n", ["unsupportedTransferCoding"]),
        ("HTTP/1.1 20 OK\r\n\r\n", ["malformedStartLine"]), ("HTTP/1.1 099 OK\r\n\r\n", ["malformedStartLine"]),
        ("HTTP/1.1 2000 OK\r\n\r\n", ["malformedStartLine"]), ("ICY 200 OK\r\n\r\n", ["malformedStartLine"]),
        ("HTTP/2.0 200 OK\r\n\r\n", ["unsupportedVersion"]), ("HTTP/1.1 200 OK\n\n", ["bareLineFeed"]),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", ["foldedField"]),
        ("HTTP/1.1 200 OK\r\nSet-Cookie: a\rb\r\n\r\n", ["malformedFieldValue"]),
    ])
    func `responses are read, or refused, however they are cut`(text: String, expected: [String]) {
        for step in [.max, 1, 3] { #expect(events(text, step: step) == expected, "\(text.debugDescription)") }
    }

    @Test func `an answer to HEAD has no body whatever it says`() {
        for fields in ["Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", ""] {
            #expect(events("HTTP/1.1 200 OK\r\n\(fields)\r\n", to: .head) == ["200 none true", "end"])
        }
    }
}

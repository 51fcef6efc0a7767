import NIOCore
import NIOHPACK
import Testing

@testable import Router

/// What of HTTP/2 becomes a head of HTTP/1.1, and what is refused before it could.
@Suite struct StreamRequestTests {
    private typealias Pairs = [(String, String)]
    private static let get: Pairs = [
        (":method", "GET"), (":scheme", "https"), (":path", "/x?y"), (":authority", "h:1"),
    ]

    private func head(_ pairs: [(String, String)], ends: Bool = true) throws -> String {
        String(buffer: try StreamRequest(HPACKHeaders(pairs), ends: ends).head).replacing("\r\n", with: "\n")
    }

    @Test func `a request keeps its fields and their order, cookies are joined`() throws {
        let extra: Pairs = [
            ("accept", "*/*"), ("cookie", "a=1"), ("x-y", "caf\u{E9}"), ("cookie", "b=2"), ("te", "trailers"),
        ]
        #expect(
            try head(Self.get + extra) == """
                GET /x?y HTTP/1.1
                host: h:1
                accept: */*
                x-y: caf\u{E9}
                te: trailers
                cookie: a=1; b=2
                connection: close


                """)
    }

    @Test func `Host takes the place of an authority that is missing, or is the same`() throws {
        let bare = Array(Self.get.dropLast())
        #expect(try head(bare + [("host", "o")]).contains("\nhost: o\n"))
        #expect(try head(Self.get + [("host", "H:1")]).contains("\nhost: h:1\n"))
        #expect(try !head(bare).contains("host:"))
        #expect(try !head(bare + [(":authority", "")]).contains("host:"))
    }

    @Test func `the length of a body is what is said, or unknown`() throws {
        let post: Pairs = [(":method", "POST")] + Self.get.dropFirst()
        #expect(try head(post, ends: false).contains("\ntransfer-encoding: chunked\n"))
        #expect(try head(post + [("content-length", "3")], ends: false).contains("\ncontent-length: 3\n"))
        #expect(try head(post).contains("GET") == false)
        #expect(try !head(post).contains("length") && !head(post).contains("encoding"))
        #expect(try StreamRequest(HPACKHeaders(post + [("content-length", "0")]), ends: false).body == .none)
    }

    @Test func `CONNECT and OPTIONS have targets of their own`() throws {
        #expect(
            try head([(":method", "CONNECT"), (":authority", "h:1")]).hasPrefix("CONNECT h:1 HTTP/1.1\nhost: h:1\n"))
        #expect(
            try head([(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), (":authority", "h")])
                .hasPrefix("OPTIONS * HTTP/1.1\n"))
    }

    @Test(
        arguments: [
            // Fields that would become two, or end the head.
            ([("x", "a\r\nhost: evil")], .fieldValue), ([("x", "a\nb")], .fieldValue), ([("x", "a\0b")], .fieldValue),
            ([("x", "a\rb")], .fieldValue), ([("x", " a")], .fieldValue), ([("x", "a\t")], .fieldValue),
            ([("x", "\u{FFFD}")], .fieldValue), ([("x", "\u{7F}")], .fieldValue),
            ([("X", "a")], .fieldName), ([("x y", "a")], .fieldName), ([("x:", "a")], .fieldName),
            ([("", "a")], .fieldName),
            ([("x\r\ny", "a")], .fieldName), ([("content-length ", "1")], .fieldName),
            // What speaks of the connection.
            ([("connection", "close")], .connectionField), ([("keep-alive", "1")], .connectionField),
            ([("proxy-connection", "close")], .connectionField), ([("transfer-encoding", "chunked")], .connectionField),
            ([("upgrade", "websocket")], .connectionField), ([("te", "gzip")], .connectionField),
            ([("te", "trailers, chunked")], .connectionField),
            // Whom it is for, and how long it is.
            ([("host", "other")], .authority), ([("host", "h:1"), ("host", "h:1")], .authority),
            ([("content-length", "1")], .length), ([("content-length", "0"), ("content-length", "0")], .length),
            ([("content-length", "+1")], .length), ([("content-length", "1, 1")], .length),
            ([("content-length", "")], .length),
            // Pseudo-fields.
            ([("x", "1"), (":path", "/")], .pseudoField), ([(":path", "/")], .pseudoField),
            ([(":method", "GET")], .pseudoField),
            ([(":authority", "h:1")], .pseudoField), ([(":status", "200")], .pseudoField),
            ([(":protocol", "websocket")], .pseudoField),
            ([(":x", "1")], .pseudoField), ([(":", "1")], .pseudoField),
        ] as [([(String, String)], StreamRequest.Fault)])
    func `what HTTP 1 would read in another way is refused`(extra: [(String, String)], fault: StreamRequest.Fault) {
        #expect(throws: fault) { _ = try head(Self.get + extra) }
    }

    @Test(
        arguments: [
            [(":scheme", "https"), (":path", "/")], [(":method", "GET"), (":path", "/")],
            [(":method", "GET"), (":scheme", "https")],
            [(":method", "GET"), (":scheme", "https"), (":path", "")],
            [(":method", "GET"), (":scheme", "https"), (":path", "x")],
            [(":method", "GET"), (":scheme", "https"), (":path", "*")],
            [(":method", "GET"), (":scheme", "ftp"), (":path", "/")],
            [(":method", "GET"), (":scheme", "https"), (":path", "http://o/")],
            [(":method", "GET"), (":scheme", "https"), (":path", "/a b")],
            [(":method", "GET"), (":scheme", "https"), (":path", "/#x")],
            [(":method", "GET /evil HTTP/1.1"), (":scheme", "https"), (":path", "/")],
            [(":method", ""), (":scheme", "https"), (":path", "/")],
            [(":method", "CONNECT"), (":scheme", "https"), (":path", "/")],
            [(":method", "CONNECT")], [(":method", "CONNECT"), (":authority", "a b")],
        ] as [[(String, String)]])
    func `a start line is whole and well-formed`(pairs: [(String, String)]) {
        #expect(throws: StreamRequest.Fault.pseudoField) { _ = try head(pairs) }
    }

    @Test func `whatever comes, the head has the fields that came and no more`() throws {
        var random = RequestIDSource()
        let pieces = [
            "a", "b", "-", " ", "\r\n", "\n", "\r", ":", "\0", "x: y", "A", "\t", ",", "é", "\u{FFFD}", "/", "host",
            "te",
            "content-length", "transfer-encoding", "0", "5", "GET", "HTTP/1.1", "trailers", "#", "?",
        ]
        func text(_ most: Int) -> String {
            (0..<Int(random.next() % UInt64(most + 1))).map { _ in pieces[Int(random.next() % UInt64(pieces.count))] }
                .joined()
        }
        var taken = 0
        for _ in 0..<20_000 {
            var pairs = Self.get
            if random.next() % 4 == 0 { pairs[Int(random.next() % 4)].1 += text(2) }
            for _ in 0..<(random.next() % 4) { pairs.append((text(2), text(3))) }
            let ends = random.next() % 2 == 0
            guard let request = try? StreamRequest(HPACKHeaders(pairs), ends: ends) else { continue }
            taken += 1
            var decoder = RequestDecoder(limits: .init(startLine: 8_192, bytes: 32_768, fields: 100))
            decoder.append(request.head)
            // A method may be too long for it: that is answered, and nothing else is read into it.
            guard let head = try? decoder.nextHead() else { continue }
            #expect(decoder.bufferedBytes == 0, "\(pairs)")
            let framed = request.body == .chunked ? 1 : 0
            let hosted = pairs.contains { $0.0 == "host" } ? 0 : 1
            #expect(head.head.fields.count == pairs.count - 4 + hosted + framed + 1, "\(pairs)")
            let facts = try? RequestFacts(head)
            if let facts { #expect((facts.framing == .none) == (request.body == .none), "\(pairs)") }
        }
        #expect(taken > 1_000)
    }

    @Test func `trailers end a chunked body`() throws {
        #expect(String(buffer: try StreamRequest.end(HPACKHeaders([("x", "1")]))) == "0\r\nx: 1\r\n\r\n")
        for pairs in [[(":path", "/")], [("x", "a\r\nb: c")], [("X", "1")], [("transfer-encoding", "chunked")]] {
            #expect(throws: StreamRequest.Fault.self) { _ = try StreamRequest.end(HPACKHeaders(pairs)) }
        }
    }
}

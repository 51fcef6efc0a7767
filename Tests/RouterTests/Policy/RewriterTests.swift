import Contract
import NIOCore
import Testing

@testable import Router

@Suite struct RewriterTests {
    private static let id = RequestID.generated(1, 0xABC)
    private static let idText = "00000000000000010000000000000abc"

    private func rewrite(
        _ text: String, peer: String = "192.0.2.7", trusted: [String] = [], credentials: String? = nil
    ) throws -> String {
        let head = try requestHead(text + "\n")
        let facts = try RequestFacts(head)
        let target = try head.head.withBytes { (bytes) throws(Reason) in try RequestTarget.parse(bytes, head.target) }
        let client = ClientIdentity(
            try SocketAddress(ipAddress: peer, port: 1), trusting: trusted.compactMap { IPv4Range($0) })
        var audience = RequestRewriter.Audience.role(credentials: ByteBuffer(string: credentials ?? ""))
        if case .function(_, _, let prefix) = target.destination { audience = .function(prefix: prefix) }
        var out = ByteBuffer()
        RequestRewriter(client: client, id: Self.id).rewrite(
            head, facts: facts, target: target, for: audience, into: &out)
        return String(buffer: out).replacing("\r\n", with: "\n")
    }

    private let tail = "Via: 1.1 kiln\nX-Request-Id: \(idText)\n\n"

    @Test func `a function sees its own path, and who asks`() throws {
        #expect(
            try rewrite("GET /fn/x/a%2Fb?c HTTP/1.1\nAccept: */*\nHost: h:80\nCookie:  a=b \nAuthorization: Basic q\n")
                == """
                GET /a%2Fb?c HTTP/1.1
                Host: h:80
                Accept: */*
                Cookie:  a=b\u{20}
                Authorization: Basic q
                X-Forwarded-For: 192.0.2.7
                X-Forwarded-Proto: http
                X-Forwarded-Host: h:80
                X-Forwarded-Prefix: /fn/x
                \(tail)
                """)
    }

    @Test(arguments: [("/fn/x", "/"), ("/fn/x/", "/"), ("/fn/x?a", "/?a"), ("/fn/x@2/y", "/y"), ("http://o/fn/x", "/")])
    func `the path always begins with a slash`(target: String, seen: String) throws {
        #expect(try rewrite("GET \(target) HTTP/1.1\nHost: h\n").hasPrefix("GET \(seen) HTTP/1.1\n"))
    }

    @Test func `the target's authority overrides Host`() throws {
        let head = try rewrite("GET http://real:1/fn/x HTTP/1.1\nHost: other\n")
        #expect(head.contains("\nHost: real:1\n") && head.contains("\nX-Forwarded-Host: real:1\n"))
        #expect(!head.contains("other"))
    }

    @Test(arguments: [
        "Connection: keep-alive, X-Private", "X-Private: 1", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
        "Proxy-Authorization: x", "Proxy-Authenticate: Basic", "TE: gzip", "Upgrade: h2c", "HTTP2-Settings: AA",
        "X-Kiln-Reason: x",
        "x-kiln-token: x",
        "X-Forwarded-For: 9.9.9.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil", "X-Forwarded-Port: 1",
        "X-Forwarded-Prefix: /evil", "Forwarded: for=9.9.9.9", "X-Real-IP: 9.9.9.9", "X-Request-Id: evil", "Trailer: X",
        "Expect: 100-continue",
    ])
    func `a stranger's word about the connection or its own address is not passed on`(field: String) throws {
        let head = try rewrite("GET /fn/x HTTP/1.1\nHost: h\nConnection: x-private\nA: 1\n\(field)\nB: 2\n")
        #expect(!head.lowercased().contains(field.lowercased()))
        #expect(head.contains("\nA: 1\nB: 2\n"))
    }

    @Test(arguments: [
        ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"),
    ])
    func `the client's address has no port and no brackets`(peer: String, address: String) throws {
        let head = try rewrite("GET /fn/x HTTP/1.1\nHost: h\n", peer: peer)
        #expect(head.contains("\nX-Forwarded-For: \(address)\n"))
    }

    @Test func `a trusted proxy's word is passed on`() throws {
        let head = try rewrite(
            "GET /fn/x HTTP/1.1\nHost: h\nX-Forwarded-For: 1.1.1.1\nX-Forwarded-For: 2.2.2.2\nX-Forwarded-Proto: https\n"
                + "X-Forwarded-Host: public\nForwarded: for=1.1.1.1\n", peer: "10.0.0.9", trusted: ["10.0.0.0/24"])
        #expect(head.contains("\nX-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.9\n"))
        #expect(head.contains("\nX-Forwarded-Proto: https\n") && !head.contains("Proto: http\n"))
        #expect(head.contains("\nX-Forwarded-Host: public\n") && !head.contains("X-Forwarded-Host: h\n"))
        #expect(head.contains("\nForwarded: for=1.1.1.1\n"))
    }

    @Test(arguments: [
        ("X-Forwarded-Prefix: /app\n", "/app/fn/x"), ("x-forwarded-prefix: /app/\n", "/app/fn/x"),
        ("X-Forwarded-Prefix: /a\nX-Forwarded-Prefix: /b\n", "/a/b/fn/x"), ("X-Forwarded-Prefix: /\n", "/fn/x"),
        ("X-Forwarded-Port: 1\n", "/fn/x"),
    ])
    func `what a trusted proxy has taken off the path comes before what Kiln takes off`(
        fields: String, prefix: String
    ) throws {
        let trusted = try rewrite(
            "GET /fn/x/y HTTP/1.1\nHost: h\n" + fields, peer: "10.0.0.9", trusted: ["10.0.0.0/24"])
        #expect(trusted.contains("\nX-Forwarded-Prefix: \(prefix)\n"))
        #expect(trusted.lowercased().ranges(of: "x-forwarded-prefix").count == 1)
        #expect(trusted.contains("X-Forwarded-Port: 1\n") == fields.contains("Port"))
        let stranger = try rewrite("GET /fn/x/y HTTP/1.1\nHost: h\n" + fields)
        #expect(stranger.contains("\nX-Forwarded-Prefix: /fn/x\n"))
    }

    @Test func `framing is written anew`() throws {
        #expect(try rewrite("POST /fn/x HTTP/1.1\nHost: h\nContent-Length: 007\n").contains("\nContent-Length: 7\n"))
        let chunked = try rewrite(
            "POST /fn/x HTTP/1.1\nHost: h\nTransfer-Encoding: cHuNkEd\nTrailer: X\nTE: trailers\n")
        #expect(chunked.contains("\nTransfer-Encoding: chunked\n") && chunked.contains("\nTrailer: X\n"))
        #expect(chunked.contains("\nTE: trailers\nConnection: TE\n"))
        let several = try rewrite(
            "GET /fn/x HTTP/1.1\nHost: h\nConnection: TE\nTE: gzip;q=0.5, Trailers\nTE: deflate\n")
        #expect(
            several.contains("\nTE: trailers\nConnection: TE\n") && !several.contains("gzip")
                && !several.contains("flate"))
        #expect(try rewrite("POST /fn/x HTTP/1.1\nHost: h\n").contains("\nContent-Length: 0\n"))
        #expect(try !rewrite("GET /fn/x HTTP/1.1\nHost: h\n").contains("Content-Length"))
    }

    @Test func `an upgrade is passed on as what it is`() throws {
        let head = try rewrite(
            "GET /fn/x HTTP/1.1\nHost: h\nConnection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Key: k\n")
        #expect(
            head.contains("\nSec-WebSocket-Key: k\n") && head.contains("\nConnection: Upgrade\nUpgrade: websocket\n"))
    }

    @Test func `a role sees the whole target and the internal token`() throws {
        let head = try rewrite(
            "POST /func?name=x HTTP/1.1\nHost: localhost\nAuthorization: Bearer outer\nContent-Length: 1\nExpect: 100-continue\n",
            credentials: "inner")
        #expect(head.hasPrefix("POST /func?name=x HTTP/1.1\nHost: localhost\nAuthorization: Bearer inner\n"))
        #expect(!head.contains("outer") && !head.contains("Expect") && head.contains("\nConnection: close\n"))
    }

    @Test func `HTTP/1.0 without a Host becomes HTTP/1.1 with one`() throws {
        #expect(try rewrite("GET /fn/x HTTP/1.0\n").hasPrefix("GET / HTTP/1.1\nHost: localhost\n"))
    }

    // MARK: Responses

    private func respond(
        _ text: String, to method: RequestHead.Method = .get, version: RequestHead.Version = .http11,
        connection: ResponseRewriter.Connection = .implied, fromFunction: Bool = true
    ) throws -> String {
        var decoder = ResponseDecoder(limits: HeadScanner.Limits(startLine: 500, bytes: 5000, fields: 50))
        decoder.begin(method)
        decoder.append(ByteBuffer(string: text.replacing("\n", with: "\r\n")))
        let response: ResponseHead
        let facts: ResponseFacts
        switch try decoder.next() {
        case .head(let head, let known), .interim(let head, let known): (response, facts) = (head, known)
        default: throw SyntaxError.truncated
        }
        var out = ByteBuffer()
        ResponseRewriter.write(
            response, facts: facts, framing: ResponseRewriter.framing(facts, for: version), connection: connection,
            fromFunction: fromFunction, id: Self.id, request: Head(bytes: ByteBuffer()),
            date: ByteBuffer(string: "Date: now\r\n"), into: &out)
        return String(buffer: out).replacing("\r\n", with: "\n")
    }

    @Test(arguments: [
        (
            "HTTP/1.1 200 Fine\nContent-Length: 2\nSet-Cookie: a\nSet-Cookie: b\n\n", RequestHead.Version.http11,
            "HTTP/1.1 200 Fine\nSet-Cookie: a\nSet-Cookie: b\nContent-Length: 2\nDate: now\n"
        ),
        (
            "HTTP/1.1 200 OK\nDate: then\nTransfer-Encoding: chunked\n\n", .http11,
            "HTTP/1.1 200 OK\nDate: then\nTransfer-Encoding: chunked\n"
        ),
        ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X\n\n", .http10, "HTTP/1.1 200 OK\nDate: now\n"),
        ("HTTP/1.0 200 OK\n\n", .http11, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nDate: now\n"),
        ("HTTP/1.1 204 No\nContent-Length: 3\n\n", .http11, "HTTP/1.1 204 No\nDate: now\n"),
        ("HTTP/1.1 304 No\nContent-Length: 3\n\n", .http11, "HTTP/1.1 304 No\nContent-Length: 3\nDate: now\n"),
        (
            "HTTP/1.1 200 OK\nConnection: close, X-Hop\nX-Hop: 1\nKeep-Alive: x\nX-Kiln-Reason: lie\nContent-Length: 0\n\n",
            .http11, "HTTP/1.1 200 OK\nContent-Length: 0\nDate: now\n"
        ),
        (
            "HTTP/1.1 200 OK\nConnection: X-One\nConnection: keep-alive, x-TWO\nX-One: 1\nX-Two: 2\nX-Three: 3\n"
                + "Upgrade: h2c\nProxy-Authenticate: Basic\nProxy-Connection: close\nTE: trailers\nTrailer: X-Sum\nContent-Length: 0\n\n",
            .http11, "HTTP/1.1 200 OK\nX-Three: 3\nContent-Length: 0\nDate: now\n"
        ),
    ])
    func `a response's framing and hop-by-hop fields are the Router's own`(
        text: String, version: RequestHead.Version, head: String
    ) throws {
        #expect(try respond(text, version: version) == head + tail)
    }

    @Test func `a role's marks are kept, a 1xx is passed on bare`() throws {
        #expect(
            try respond("HTTP/1.1 409 X\nX-Kiln-Reason: conflict\nContent-Length: 0\n\n", fromFunction: false)
                .contains("\nX-Kiln-Reason: conflict\n"))
        #expect(try respond("HTTP/1.1 103 Early Hints\nLink: </a>\n\n") == "HTTP/1.1 103 Early Hints\nLink: </a>\n\n")
        #expect(
            try respond(
                "HTTP/1.1 101 S\nConnection: upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: z\n\n",
                connection: .upgrade)
                == "HTTP/1.1 101 S\nSec-WebSocket-Accept: z\nConnection: Upgrade\nUpgrade: websocket\n\n")
    }

    @Test func `trailers that would change the message are dropped`() throws {
        var decoder = BodyDecoder(.chunked, trailerLimits: .init(startLine: 999, bytes: 999, fields: 20))
        var bytes = ByteBuffer(
            string:
                "0\r\nX-Sum: 1\r\nContent-Length: 3\r\nHost: x\r\nTransfer-Encoding: y\r\nX-Kiln-A: b\r\nY: 2\r\n\r\n")
        guard case .end(let trailers?) = try decoder.next(&bytes) else { Issue.record("no trailers"); return }
        var out = ByteBuffer()
        Trailers.writeEnd(trailers, nominated: [], into: &out)
        #expect(String(buffer: out) == "0\r\nX-Sum: 1\r\nY: 2\r\n\r\n")
        out.clear()
        Trailers.writeEnd(trailers, nominated: ["close", "x-sum"], into: &out)
        #expect(String(buffer: out) == "0\r\nY: 2\r\n\r\n")
    }
}

import NIOCore
import Testing

@testable import Router

/// A request head from its text.
func requestHead(_ text: String) throws -> RequestHead {
    var decoder = RequestDecoder(limits: HeadScanner.Limits(startLine: 9000, bytes: 32_768, fields: 100))
    decoder.append(ByteBuffer(string: text.replacing("\n", with: "\r\n")))
    return try #require(try decoder.nextHead())
}

@Suite struct RequestFactsTests {
    private func facts(_ fields: String, version: String = "1.1") throws -> Result<RequestFacts, Reason> {
        let head = try requestHead("POST / HTTP/\(version)\n\(fields)\n")
        do throws(Reason) { return .success(try RequestFacts(head)) } catch { return .failure(error) }
    }

    @Test(arguments: [
        ("Host: a\n", BodyFraming.none), ("Host: a\nContent-Length: 0\n", .none),
        ("Host: a\nContent-Length: 12\n", .length(12)),
        ("Host: a\nContent-Length: 00012\n", .length(12)), ("Host: a\nTransfer-Encoding: chunked\n", .chunked),
        ("Host: a\nTransfer-Encoding: CHUNKED\n", .chunked),
    ])
    func `the body's framing is what the fields say`(fields: String, framing: BodyFraming) throws {
        #expect(try facts(fields).get().framing == framing)
    }

    @Test(arguments: [
        ("", Reason.badHost), ("Host:\n", .badHost), ("Host: a\nHost: a\n", .badHost), ("Host: a b\n", .badHost),
        ("Host: a\nContent-Length: 1\nContent-Length: 1\n", .badFraming),
        ("Host: a\nContent-Length: 1, 1\n", .badFraming),
        ("Host: a\nContent-Length: +1\n", .badFraming), ("Host: a\nContent-Length: -1\n", .badFraming),
        ("Host: a\nContent-Length: 0x1\n", .badFraming), ("Host: a\nContent-Length:\n", .badFraming),
        ("Host: a\nContent-Length: 1 1\n", .badFraming),
        ("Host: a\nContent-Length: 9999999999999999999\n", .badFraming),
        ("Host: a\nContent-Length: 1\nTransfer-Encoding: chunked\n", .badFraming),
        ("Host: a\nContent-Length: 1\nTransfer-Encoding:\n", .badFraming),
        ("Host: a\nTransfer-Encoding:\n", .badFraming),
        ("Host: a\nTransfer-Encoding: identity\n", .badFraming),
        ("Host: a\nTransfer-Encoding: chunked, identity\n", .badFraming),
        ("Host: a\nTransfer-Encoding: chunked\nTransfer-Encoding: chunked\n", .badFraming),
        ("Host: a\nTransfer-Encoding: xchunked\n", .badFraming),
        ("Host: a\nTransfer-Encoding: \"chunked\"\n", .badFraming),
        ("Host: a\nTransfer-Encoding: chunked;x=y\n", .badFraming),
        ("Host: a\nTransfer-Encoding: ,chunked\n", .badFraming),
        ("Host: a\nTransfer-Encoding: gzip, chunked\n", .unsupportedTransferCoding),
        ("Host: a\nTransfer-Encoding: chunked, chunked\n", .unsupportedTransferCoding),
        ("Host: a\nExpect: 200-ok\n", .expectationFailed),
        ("Host: a\nConnection: Host\n", .badConnectionOption),
        ("Host: a\nConnection: close, content-length\n", .badConnectionOption),
        ("Host: a\nConnection: X-Forwarded-For\n", .badConnectionOption),
        ("Host: a\nConnection: forwarded\n", .badConnectionOption),
        ("Host: a\nConnection: X-Kiln-Reason\n", .badConnectionOption),
        ("Host: a\nConnection: authorization\n", .badConnectionOption),
        ("Host: a\nConnection: X-Forwarded-Host\n", .badConnectionOption),
        ("Host: a\nConnection: x-forwarded-proto\n", .badConnectionOption),
        ("Host: a\nConnection: X-Forwarded-Prefix\n", .badConnectionOption),
        ("Host: a\nConnection: X-Real-IP\n", .badConnectionOption),
        ("Host: a\nConnection: X-Request-Id\n", .badConnectionOption),
        ("Host: a\nConnection: Origin\n", .badConnectionOption),
        ("Host: a\nConnection: Sec-Fetch-Site\n", .badConnectionOption),
        ("Host: a\nConnection: Expect\n", .badConnectionOption),
        ("Host: a\nConnection: a\nConnection: keep-alive, forwarded\n", .badConnectionOption),
    ])
    func `what is ambiguous or dangerous is refused`(fields: String, reason: Reason) throws {
        guard case .failure(let given) = try facts(fields) else { Issue.record("accepted"); return }
        #expect(given == reason)
    }

    @Test func `HTTP/1.0 needs no Host and knows no chunks`() throws {
        #expect(try facts("", version: "1.0").get().host == nil)
        guard case .failure(.badFraming) = try facts("Transfer-Encoding: chunked\n", version: "1.0") else {
            Issue.record("chunked accepted")
            return
        }
    }

    @Test(arguments: [
        ("1.1", "", true), ("1.1", "Connection: close\n", false), ("1.1", "Connection: foo, Close\n", false),
        ("1.1", "Connection: keep-alive\n", true), ("1.0", "", false), ("1.0", "Connection: Keep-Alive\n", true),
        ("1.0", "Connection: keep-alive, close\n", false),
    ])
    func `persistence follows version and Connection`(version: String, fields: String, persistent: Bool) throws {
        #expect(try facts("Host: a\n" + fields, version: version).get().persistent == persistent)
    }

    @Test(arguments: [
        ("Connection: Upgrade\nUpgrade: websocket\n", true),
        ("Connection: keep-alive, upgrade\nUpgrade: WebSocket\n", true),
        ("Connection: Upgrade\nUpgrade: custom/2\n", true), ("Upgrade: websocket\n", false),
        ("Connection: Upgrade\n", false),
        ("Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: x\n", false),
        ("Connection: Upgrade\nUpgrade: HTTP/2.0\n", false), ("Connection: Upgrade\nUpgrade: TLS/1.0\n", false),
        ("Connection: Upgrade\nUpgrade: websocket, h2c\n", false),
        ("Connection: Upgrade\nUpgrade: websocket\nUpgrade: other\n", false),
        ("Connection: Upgrade\nUpgrade: websocket\nContent-Length: 1\n", false),
    ])
    func `only one protocol, without a body, is switched to`(fields: String, upgrades: Bool) throws {
        #expect(try (facts("Host: a\n" + fields).get().upgrade != nil) == upgrades)
    }

    @Test func `an expectation counts when there is a body`() throws {
        #expect(try facts("Host: a\nExpect: 100-Continue\nContent-Length: 1\n").get().expectsContinue)
        #expect(try !facts("Host: a\nExpect: 100-continue\n").get().expectsContinue)
        #expect(try !facts("Host: a\nExpect: 100-continue\nContent-Length: 1\n", version: "1.0").get().expectsContinue)
    }
}

import NIOCore
import Testing

@testable import Router

@Suite struct ManagementPolicyTests {
    private func refusal(_ fields: String, method: String = "GET", token: String? = nil) throws -> Reason? {
        let head = try requestHead("\(method) /func HTTP/1.1\n\(fields)\n")
        let policy = ManagementPolicy(hostNames: ["kiln.example"], token: token.map { Array($0.utf8) })
        return policy.refusal(of: head, host: try RequestFacts(head).host)
    }

    @Test(arguments: ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "KILN.example:80"])
    func `this machine's own names are accepted`(host: String) throws { #expect(try refusal("Host: \(host)\n") == nil) }

    @Test(arguments: ["evil.example", "127.0.0.1.evil.example", "192.168.0.1", "0.0.0.0", "kiln.example.evil"])
    func `a foreign Host is refused`(host: String) throws { #expect(try refusal("Host: \(host)\n") == .foreignHost) }

    @Test(arguments: [
        ("Origin: http://localhost:8080", "GET", Reason.crossSite as Reason?), ("Origin: null", "POST", .crossSite),
        ("Sec-Fetch-Site: cross-site", "GET", .crossSite), ("Sec-Fetch-Site: same-origin", "POST", .crossSite),
        ("Sec-Fetch-Site: none", "POST", .crossSite), ("Sec-Fetch-Site: none", "GET", nil),
        ("Sec-Fetch-Mode: cors", "GET", nil),
        ("Sec-Fetch-Site: none\nOrigin: x", "GET", .crossSite),
    ])
    func `a web page is refused, a person's browser may look`(field: String, method: String, reason: Reason?) throws {
        #expect(try refusal("Host: localhost\n\(field)\n", method: method, token: nil) == reason)
    }

    @Test(arguments: [
        ("Authorization: Bearer secret", nil as Reason?), ("authorization: bEARER  secret ", nil), ("", .tokenRequired),
        ("Authorization: Basic secret", .tokenRequired), ("Authorization: Bearer", .tokenRequired),
        ("Authorization: Bearer secre", .tokenInvalid), ("Authorization: Bearer secrets", .tokenInvalid),
        ("Authorization: Bearer Secret", .tokenInvalid), ("Authorization: Bearer secretsecret", .tokenInvalid),
        ("Authorization: Bearer secret\nAuthorization: Bearer secret", .tokenRequired),
    ])
    func `a token is compared exactly`(field: String, reason: Reason?) throws {
        #expect(try refusal("Host: localhost\n\(field.isEmpty ? "" : field + "\n")", token: "secret") == reason)
    }

    @Test func `the Host check comes before the token`() throws {
        #expect(try refusal("Host: evil\nAuthorization: Bearer secret\n", token: "secret") == .foreignHost)
    }
}

@Suite struct ReasonTests {
    @Test(arguments: Reason.allCases)
    func `every reason has an answer`(reason: Reason) throws {
        let answer = RouterAnswer(reason, requestID: "id-1")
        #expect((400...599).contains(answer.status) && answer.mediaType == "application/problem+json")
        let body = String(decoding: answer.body, as: UTF8.self)
        #expect(body.contains("\"urn:kiln:\(reason.rawValue)\"") && body.contains("\"id-1\""))
        var out = ByteBuffer()
        answer.write(id: "id-1", date: ByteBuffer(), connection: .close, omittingBody: true, into: &out)
        let head = String(buffer: out)
        #expect(
            head.contains("\r\nServer: kiln-router\r\n") && head.contains("\r\nX-Kiln-Reason: \(reason.rawValue)\r\n"))
        #expect(!head.contains("HTTP/1.1 \(answer.status) \r\n"), "no reason phrase for \(answer.status)")
        #expect(head.hasSuffix("\r\n\r\n"))
        if answer.status == 503 { #expect(head.contains("\r\nRetry-After: ")) }
        if answer.status == 401 { #expect(head.contains("\r\nWWW-Authenticate: Bearer")) }
    }
}

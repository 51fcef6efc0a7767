import NIOCore
import Testing

@testable import Router

@Suite struct HeadTests {
    private static let limits = HeadScanner.Limits(startLine: 200, bytes: 600, fields: 5)

    /// What decoding `text` at once yields: the head's parts, or the error.
    private func decode(_ text: [UInt8], step: Int = .max) -> Result<[String], SyntaxError> {
        var decoder = RequestDecoder(limits: Self.limits)
        var position = 0
        do throws(SyntaxError) {
            while position < text.count {
                let end = min(text.count, step == .max ? text.count : position + step)
                decoder.append(ByteBuffer(bytes: text[position..<end]))
                position = end
                if let request = try decoder.nextHead() {
                    let head = request.head
                    return .success(
                        [head.text(0..<request.methodEnd), head.text(request.target), "\(request.version)"]
                            + head.fields.map { head.text($0.nameRange) + "=" + head.text($0.value) })
                }
            }
            return .success([])
        } catch {
            return .failure(error)
        }
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", ["GET", "/", "http11", "Host=a"]),
        ("GET / HTTP/1.0\r\n\r\n", ["GET", "/", "http10"]),
        ("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", ["GET", "/", "http11", "Host=a"]),
        (
            "BREW /pot?x=%zz HTTP/1.1\r\nA:b\r\nC: \t d e \t\r\nE:\r\n\r\n",
            ["BREW", "/pot?x=%zz", "http11", "A=b", "C=d e", "E="]
        ),
        ("OPTIONS * HTTP/1.1\r\nX!#$%&'*+-.^_`|~9: v\r\n\r\n", ["OPTIONS", "*", "http11", "X!#$%&'*+-.^_`|~9=v"]),
        ("GET /\u{e4} HTTP/1.1\r\nX: \u{fc}\r\n\r\n", ["GET", "/\u{e4}", "http11", "X=\u{fc}"]),
        ("GET / HTTP/1.1\r\nHost: a\r\n", []),
        ("", []),
    ])
    func `a well-formed head is read however it is cut`(text: String, parts: [String]) {
        for step in [.max, 1, 2, 3, 7] { #expect(decode(Array(text.utf8), step: step) == .success(parts)) }
    }

    @Test func `bytes that are no UTF-8 survive`() throws {
        var decoder = RequestDecoder(limits: Self.limits)
        decoder.append(
            ByteBuffer(bytes: Array("GET / HTTP/1.1\r\nX: ".utf8) + [0xFF, 0xC3, 0x28] + Array("\r\n\r\n".utf8)))
        let request = try #require(try decoder.nextHead())
        let value = request.head.withBytes { Array($0.part(request.head.fields[0].value)) }
        #expect(value == [0xFF, 0xC3, 0x28])
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\nHost: a\n\n", SyntaxError.bareLineFeed),
        ("\nGET / HTTP/1.1\r\n\r\n", .bareLineFeed),
        ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("\rGET / HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("GET  / HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("GET /  HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("GET / HTTP/1.1 \r\n\r\n", .malformedStartLine),
        (" GET / HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("GET /\tx HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("GET /#x HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("GET /\u{0} HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("GET\r\n\r\n", .malformedStartLine),
        ("GET /\r\n\r\n", .malformedStartLine),
        ("GET / HTTP\r\n\r\n", .malformedStartLine),
        ("GET / http/1.1\r\n\r\n", .malformedStartLine),
        ("GET / HTTP/11\r\n\r\n", .malformedStartLine),
        ("GET / HTTP/1.1x\r\n\r\n", .malformedStartLine),
        ("G(T / HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("GET / HTTP/1.2\r\n\r\n", .unsupportedVersion),
        ("GET / HTTP/2.0\r\n\r\n", .unsupportedVersion),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .http2Preface),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", .malformedFieldName),
        ("GET / HTTP/1.1\r\n: a\r\n\r\n", .malformedFieldName),
        ("GET / HTTP/1.1\r\nHost\r\n\r\n", .malformedFieldName),
        ("GET / HTTP/1.1\r\nHo\u{e4}: a\r\n\r\n", .malformedFieldName),
        ("GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", .foldedField),
        ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", .foldedField),
        ("GET / HTTP/1.1\r\nX: a\u{0}b\r\n\r\n", .malformedFieldValue),
        ("GET / HTTP/1.1\r\nX: a\rb\r\n\r\n", .malformedFieldValue),
        ("GET / HTTP/1.1\r\nX: a\r\r\n\r\n", .malformedFieldValue),
        ("GET / HTTP/1.1\r\nX: a\nY: b\r\n\r\n", .bareLineFeed),
        ("GET / HTTP/1.1\r\nX: \u{7f}\r\n\r\n", .malformedFieldValue),
        ("GET /" + String(repeating: "a", count: 300), .targetTooLong),
        ("GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 700), .headTooLarge),
        ("GET / HTTP/1.1\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\nf:\r\n", .tooManyFields),
    ])
    func `a malformed head is refused however it is cut`(text: String, error: SyntaxError) {
        for step in [.max, 1, 5] {
            #expect(decode(Array(text.utf8), step: step) == .failure(error), "\(text.debugDescription)")
        }
    }

    @Test func `requests wait behind one another in order`() throws {
        var decoder = RequestDecoder(limits: Self.limits)
        decoder.append(
            ByteBuffer(string: "POST /1 HTTP/1.1\r\n\r\nabcGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n"))
        #expect(try decoder.nextHead().map { $0.head.text($0.target) } == "/1")
        decoder.beginBody(.length(3))
        guard case .data(let data) = try decoder.nextBody() else { Issue.record("no body"); return }
        #expect(String(buffer: data) == "abc")
        guard case .end(nil) = try decoder.nextBody() else { Issue.record("no end"); return }
        #expect(try decoder.nextHead().map { $0.head.text($0.target) } == "/2")
        #expect(try decoder.nextHead() == nil)
        decoder.append(ByteBuffer(string: "\r\n"))
        #expect(try decoder.nextHead().map { $0.head.text($0.target) } == "/3")
    }

    @Test(arguments: [
        ("Connection", FieldName.connection), ("TE", .te), ("te", .te), ("Sec-Fetch-Site", .secFetch),
        ("X-Kiln-Anything", .kiln), ("x-forwarded-port", .xForwardedOther), ("HTTP2-Settings", .http2Settings),
        ("X-Forwarded-For", .xForwardedFor), ("X-Forwarded-Forx", .xForwardedOther), ("Content-Lengthx", .other),
        ("Content_Length", .other), ("X-Kiln", .other), ("Proxy-Authorization", .proxyAuthorization), ("a", .other),
    ])
    func `a field name means one thing in any case`(text: String, name: FieldName) {
        for spelling in [text, text.uppercased(), text.lowercased()] {
            var bytes = Array(spelling.utf8)
            #expect(bytes.withUnsafeMutableBytes { FieldName(UnsafeRawBufferPointer($0)) } == name)
        }
    }
}

extension RequestHead: Equatable {
    public static func == (left: Self, right: Self) -> Bool { left.head.bytes == right.head.bytes }
}

import NIOCore
import Testing

@testable import Router

@Suite struct BodyTests {
    private static let limits = HeadScanner.Limits(startLine: 100, bytes: 150, fields: 3)

    private struct Decoded: Equatable {
        var data = ""
        var trailers: [String] = []
        var ended = false
        var rest = ""
    }

    private func decode(_ framing: BodyFraming, _ text: String, step: Int) -> Result<Decoded, SyntaxError> {
        var decoder = BodyDecoder(framing, trailerLimits: Self.limits)
        var bytes = ByteBuffer()
        var result = Decoded()
        let all = Array(text.utf8)
        var position = 0
        do throws(SyntaxError) {
            while true {
                while !result.ended, let piece = try decoder.next(&bytes) {
                    switch piece {
                    case .data(let data): result.data += String(buffer: data)
                    case .end(let trailers):
                        result.ended = true
                        result.trailers =
                            trailers.map { head in
                                head.fields.map { head.text($0.nameRange) + "=" + head.text($0.value) }
                            } ?? []
                    }
                }
                guard position < all.count else { break }
                let end = min(all.count, step == .max ? all.count : position + step)
                bytes.writeBytes(all[position..<end])
                position = end
            }
        } catch {
            return .failure(error)
        }
        result.rest = String(buffer: bytes)
        return .success(result)
    }

    @Test(arguments: [
        ("0\r\n\r\nGET", "", [], true, "GET"),
        ("3\r\nabc\r\n0\r\n\r\n", "abc", [], true, ""),
        ("00a\r\n0123456789\r\n1;x=y\r\nZ\r\n0;q\r\n\r\nrest", "0123456789Z", [], true, "rest"),
        ("A\r\n0123456789\r\n0\r\nX: 1\r\nY:2\r\n\r\nrest", "0123456789", ["X=1", "Y=2"], true, "rest"),
        ("3\r\nab", "ab", [], false, ""),
        ("3\r\nabc\r\n0\r\nX: 1\r\n", "abc", [], false, "X: 1\r\n"),
    ])
    func `chunks are decoded however they are cut`(
        text: String, data: String, trailers: [String], ended: Bool, rest: String
    ) {
        for step in [.max, 1, 2, 3] {
            #expect(
                decode(.chunked, text, step: step)
                    == .success(Decoded(data: data, trailers: trailers, ended: ended, rest: rest)))
        }
    }

    @Test(arguments: [
        ("\r\n", SyntaxError.malformedChunk), ("g\r\n", .malformedChunk), ("-1\r\n", .malformedChunk),
        ("+1\r\n", .malformedChunk), ("0x1\r\n", .malformedChunk), (" 1\r\n", .malformedChunk),
        ("1 \r\n", .malformedChunk),
        ("1\na", .malformedChunk), ("1\r a", .malformedChunk), ("1\r\nabc", .malformedChunk),
        ("1\r\na\n", .malformedChunk),
        ("1\r\na\rX", .malformedChunk), ("1;a\nb\r\n", .malformedChunk), ("1;\u{0}\r\n", .malformedChunk),
        ("fffffffffffffffff\r\n", .malformedChunk), ("0000000000000001\r\n", .malformedChunk),
        ("1;" + String(repeating: "x", count: 300), .chunkExtensionTooLong),
        ("0\r\n\n", .bareLineFeed), ("0\r\nX : 1\r\n\r\n", .malformedFieldName), ("0\r\nX: 1\n\r\n", .bareLineFeed),
        ("0\r\n X: 1\r\n\r\n", .foldedField), ("0\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\n", .tooManyFields),
        ("0\r\nX: " + String(repeating: "x", count: 200), .targetTooLong),
    ])
    func `malformed chunks are refused however they are cut`(text: String, error: SyntaxError) {
        for step in [.max, 1] {
            #expect(decode(.chunked, text, step: step) == .failure(error), "\(text.prefix(20).debugDescription)")
        }
    }

    @Test func `a length ends where it says`() {
        for step in [.max, 1, 2] {
            #expect(
                decode(.length(4), "abcdGET", step: step) == .success(Decoded(data: "abcd", ended: true, rest: "GET")))
        }
    }

    @Test func `only a body that nothing delimits may end with the connection`() throws {
        for framing in [BodyFraming.length(1), .chunked] {
            var decoder = BodyDecoder(framing, trailerLimits: Self.limits)
            #expect(throws: SyntaxError.truncated) { try decoder.finish() }
        }
        var decoder = BodyDecoder(.untilClose, trailerLimits: Self.limits)
        guard case .end(nil) = try decoder.finish() else { Issue.record("no end"); return }
    }

    @Test(arguments: [(0, "0"), (1, "1"), (15, "f"), (16, "10"), (255, "ff"), (65_536, "10000"), (0xABCDEF, "abcdef")])
    func `a chunk's size is written in hexadecimal`(size: Int, text: String) {
        var buffer = ByteBuffer()
        ChunkedEncoder.writeSize(size, into: &buffer)
        #expect(String(buffer: buffer) == text + "\r\n")
    }
}

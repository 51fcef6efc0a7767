import Contract
import NIOCore
import Testing

@testable import Router

/// What keeps a client on its revision.
@Suite struct StickyTests {
    private static let clients = 20_000

    private func draw(_ shares: [Int: Int], function: String = "hello") throws -> [Int] {
        let draw = StickyDraw(.header("x-user"), of: try FunctionName(function))
        let list = shares.map { (revision: $0.key, weight: $0.value) }
        return try (0..<Self.clients).map { try #require(draw.revision(of: "client-\($0)".utf8, among: list)) }
    }

    @Test func `over many clients the shares are right, and the same clients are drawn alike`() throws {
        let first = try draw([7: 90, 8: 10])
        let share = Double(first.count { $0 == 8 }) / Double(Self.clients)
        #expect((0.09...0.11).contains(share), "\(share)")
        #expect(try draw([8: 10, 7: 90]) == first)
        // The few of one function are not those of another.
        let other = try draw([7: 90, 8: 10], function: "other")
        let both = Double(zip(first, other).count { $0 == 8 && $1 == 8 }) / Double(Self.clients)
        #expect((0.007...0.013).contains(both), "\(both)")
    }

    @Test(arguments: [
        ([7: 90, 8: 10], [7: 80, 8: 20], 0.10), ([7: 100, 8: 0], [7: 99, 8: 1], 0.01),
        ([7: 80, 8: 10, 9: 10], [7: 70, 8: 10, 9: 20], 0.10), ([7: 50, 8: 50], [7: 45, 8: 45, 9: 10], 0.10),
    ])
    func `when shares change, little more than the share that must move does`(
        _ before: [Int: Int], _ after: [Int: Int], _ must: Double
    ) throws {
        let moves = zip(try draw(before), try draw(after)).filter { $0 != $1 }
        let share = Double(moves.count) / Double(Self.clients)
        #expect(share < must * 1.35 + 0.003, "\(share)")
        // Nobody is moved to a revision that has not won any, from one that has not lost any.
        for (from, to) in moves {
            #expect((after[to] ?? 0) > (before[to] ?? 0) || (after[from] ?? 0) < (before[from] ?? 0))
        }
    }

    private func head(_ fields: String) throws -> Head {
        var decoder = RequestDecoder(limits: .init(startLine: 1000, bytes: 8000, fields: 20))
        decoder.append(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n"))
        return try #require(try decoder.nextHead()).head
    }

    @Test(arguments: [
        ("Cookie: kiln-a=0123456789abcdef\r\n", "0123456789abcdef"),
        ("Cookie: x=1;kiln-a=0123456789abcdef;y=2\r\n", "0123456789abcdef"),
        ("cookie: x=1\r\nCOOKIE: y; kiln-a=FFFFFFFFFFFFFFFF\r\n", "FFFFFFFFFFFFFFFF"),
        ("Cookie: kiln-a=0123456789abcde\r\n", nil), ("Cookie: kiln-a=0123456789abcdeg\r\n", nil),
        ("Cookie: kiln-ab=0123456789abcdef\r\n", nil), ("Cookie: xkiln-a=0123456789abcdef\r\n", nil),
        ("Cookie: ;;=;kiln-a\r\n", nil), ("X-Cookie: kiln-a=0123456789abcdef\r\n", nil), ("", nil),
    ])
    func `the cookie is found wherever it stands, and nothing else taken for it`(_ fields: String, _ value: String?)
        throws
    {
        #expect(StickyCookie.value("kiln-a", in: try head(fields)).map { String(decoding: $0, as: UTF8.self) } == value)
    }

    @Test func `a new cookie is one that is found again`() throws {
        var field = StickyCookie.field(
            "kiln-a", StickyCookie.make(0x0123_4567_89AB_CDEF), prefix: "/fn/a", isSecure: false)
        #expect(
            field.readString(length: field.readableBytes)
                == "Set-Cookie: kiln-a=0123456789abcdef; Path=/fn/a; HttpOnly; SameSite=Lax\r\n")
        #expect(StickyCookie.field("a", [], prefix: "", isSecure: false).readableBytesView.contains(UInt8(ascii: "/")))
    }

    @Test(arguments: ["cookie", "header:x-user", "header:X-User"]) func `it is written as it is read`(_ text: String)
        throws
    {
        #expect("\(try Stickiness(text))" == text.lowercased())
    }

    @Test(arguments: ["", "cookies", "header", "header:", "header:a b", "header:a\r\n", "header:é", "ip"])
    func `anything else is refused`(_ text: String) {
        #expect(throws: InvalidOption.self) { try Stickiness(text) }
        #expect(throws: InvalidOption.self) { try TrafficGoal("7:100", sticky: "cookie") }
    }
}

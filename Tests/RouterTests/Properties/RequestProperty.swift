import Contract
import NIOCore

@testable import Router

/// Requests: read the same however they are cut, in bounded memory; and what is passed on is read as the same request, with a single way of
/// knowing its length, and none of the fields that must not pass.
struct RequestProperty {
    /// A request as it was read.
    struct Message: Equatable {
        let head: [UInt8]
        var body: [UInt8] = []
        var trailers: [FieldPair] = []
        var isWhole = false
    }

    typealias Reading = MessageReading<Message>

    private static let large = HeadScanner.Limits(startLine: 65_535, bytes: 65_535, fields: 1_000)
    private static let fromAnyone: Set<String> = [
        "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "upgrade",
        "http2-settings", "content-length", "transfer-encoding", "host", "x-request-id", "x-forwarded-for",
    ]
    private static let added: Set<String> = [
        "content-length", "transfer-encoding", "connection", "upgrade", "te", "x-forwarded-for", "x-forwarded-proto",
        "x-forwarded-host", "x-forwarded-prefix", "via", "x-request-id",
    ]

    private let limits: HeadScanner.Limits
    private let client: ClientIdentity
    private let isTrusted: Bool

    init(_ choice: UInt8) {
        limits =
            choice & 1 == 0
            ? HeadScanner.Limits(startLine: 8_192, bytes: 32_768, fields: 100)
            : HeadScanner.Limits(startLine: 60, bytes: 200, fields: 4)
        isTrusted = choice & 2 != 0
        client = ClientIdentity(
            try? SocketAddress(ipAddress: "192.0.2.7", port: 1),
            trusting: isTrusted ? [IPv4Range("192.0.2.0/24")].compactMap(\.self) : [])
    }

    func check(_ bytes: [UInt8]) throws(Violation) {
        let whole = Self.read(bytes, .whole, limits)
        for cut in Slicing.allCases {
            let other = Self.read(bytes, cut, limits)
            try demand(other == whole, "cut as \(cut) it is read otherwise")
            if cut == .single {
                let most = max(limits.bytes, BodyDecoder.maximumChunkLine + 2) + 1
                try demand(other.waiting <= most, "\(other.waiting) bytes wait")
            }
        }
        for message in whole.messages { try checkForwarded(message) }
    }

    /// Reads `bytes` as a client handler does: a connection ends at the first thing that is refused.
    static func read(_ bytes: [UInt8], _ cut: Slicing, _ limits: HeadScanner.Limits) -> Reading {
        var decoder = RequestDecoder(limits: limits)
        var reading = Reading()
        var inBody = false
        func advance() throws -> Bool {
            if inBody {
                guard let piece = try decoder.nextBody() else { return false }
                let last = reading.messages.count - 1
                switch piece {
                case .data(let data): reading.messages[last].body += data.readableBytesView
                case .end(let trailers):
                    reading.messages[last].trailers = trailers?.pairs ?? []
                    reading.messages[last].isWhole = true
                    inBody = false
                }
                return true
            }
            guard let head = try decoder.nextHead() else { return false }
            let facts = try RequestFacts(head)
            _ = try head.head.withBytes { (bytes) throws(Reason) in try RequestTarget.parse(bytes, head.target) }
            inBody = facts.framing != .none
            reading.messages.append(Message(head: Array(head.head.bytes.readableBytesView), isWhole: !inBody))
            decoder.beginBody(facts.framing)
            return true
        }
        for piece in cut.pieces(bytes) {
            decoder.append(ByteBuffer(bytes: piece))
            do { while try advance() {} } catch {
                reading.isRefused = true
                break
            }
            reading.waiting = max(reading.waiting, decoder.bufferedBytes)
        }
        return reading
    }

    // MARK: What is passed on

    private func checkForwarded(_ message: Message) throws(Violation) {
        guard let (head, facts, target) = Self.parts(message.head) else { throw Violation("a head is read once only") }
        var output = ByteBuffer()
        let prefix: Range<Int>
        if case .function(_, _, let range) = target.destination { prefix = range } else { prefix = 0..<0 }
        RequestRewriter(client: client, id: .generated(1, 2))
            .rewrite(head, facts: facts, target: target, for: .function(prefix: prefix), into: &output)
        let headBytes = Array(output.readableBytesView)
        Self.write(message, facts.framing, into: &output)

        let again = Self.read(Array(output.readableBytesView), .whole, Self.large)
        try demand(again.messages.count == 1 && !again.isRefused, "it is passed on as \(again.messages.count) requests")
        let seen = again.messages[0]
        try demand(seen.head == headBytes, "the head that is passed on ends elsewhere")
        try demand(seen.isWhole == message.isWhole && seen.body == message.body, "the body that is passed on differs")
        guard let (other, otherFacts, _) = Self.parts(seen.head) else { throw Violation("it is passed on malformed") }
        try demand(otherFacts.framing == facts.framing, "\(facts.framing) is passed on as \(otherFacts.framing)")
        try demand(other.method == head.method && other.version == .http11, "method or version differ")
        var path = head.head.withBytes { Array($0.part(target.forwarded)) }
        if path.first != 47 { path.insert(47, at: 0) }
        try demand(other.head.withBytes { Array($0.part(other.target)) } == path, "the target differs")
        try checkFields(message, facts, FieldPair.read(seen.head))
        for field in seen.trailers { try demand(Self.mayTrail(field.name), "the trailer \(field.name) passes") }
    }

    /// A head's parts; `nil` when it is refused.
    private static func parts(_ bytes: [UInt8]) -> (RequestHead, RequestFacts, RequestTarget)? {
        guard let head = try? RequestHead(ByteBuffer(bytes: bytes)), let facts = try? RequestFacts(head),
            let target = try? head.head.withBytes({ (bytes) throws(Reason) in
                try RequestTarget.parse(bytes, head.target)
            })
        else { return nil }
        return (head, facts, target)
    }

    private static func write(_ message: Message, _ framing: BodyFraming, into output: inout ByteBuffer) {
        guard framing == .chunked else {
            output.writeBytes(message.body)
            return
        }
        if !message.body.isEmpty {
            ChunkedEncoder.writeSize(message.body.count, into: &output)
            output.writeBytes(message.body)
            output.writeImmutableBuffer(ChunkedEncoder.lineEnd)
        }
        guard message.isWhole else { return }
        var lines = message.trailers.reduce(into: [UInt8]()) { $0 += Array("\($1.name): ".utf8) + $1.value + [13, 10] }
        lines += [13, 10]
        var trailers = Head(bytes: ByteBuffer(bytes: lines))
        var fields: [Head.Field] = []
        lines.withUnsafeBytes { try? Head.parseFields($0, from: 0, into: &fields) }
        trailers.fields = fields
        Trailers.writeEnd(trailers, nominated: [], into: &output)
    }

    private func checkFields(_ message: Message, _ facts: RequestFacts, _ seen: [FieldPair]) throws(Violation) {
        let came = FieldPair.read(message.head)
        let nominated = Set(came.filter { $0.name == "connection" }.flatMap(\.elements))
        let expected = came.filter { field in
            !Self.fromAnyone.contains(field.name) && !field.name.hasPrefix("x-kiln-") && !nominated.contains(field.name)
                && (isTrusted || !Self.isIdentity(field.name))
                && (field.name != "trailer" || facts.framing == .chunked)
                && (field.name != "expect" || facts.expectsContinue)
        }
        try demand(seen.first?.name == "host", "Host is not first")
        try demand(
            Array(seen.dropFirst().prefix(expected.count)) == expected, "fields are lost, changed or let through")
        let rest = seen.dropFirst(1 + expected.count)
        for field in rest { try demand(Self.added.contains(field.name), "\(field.name) is let through") }
        func count(_ name: String) -> Int { seen.count { $0.name == name } }
        try demand(count("host") == 1 && count("x-request-id") == 1, "Host or X-Request-Id are doubled")
        try demand(count("content-length") + count("transfer-encoding") <= 1, "its length is said twice")
        if !isTrusted {
            let address = seen.filter { $0.name == "x-forwarded-for" }.map(\.value)
            try demand(address == [Array("192.0.2.7".utf8)], "the client's address is not its own")
            try demand(count("forwarded") + count("x-real-ip") == 0, "a claimed address passes")
        }
        for byte in seen.flatMap(\.value) {
            try demand(byte != 0 && byte != 10 && byte != 13, "a value has a line's end or NUL")
        }
    }

    private static func isIdentity(_ name: String) -> Bool {
        name.hasPrefix("x-forwarded-") || name == "forwarded" || name == "x-real-ip"
    }

    /// Whether a field may come after a body.
    static func mayTrail(_ name: String) -> Bool {
        !fromAnyone.contains(name) && !isIdentity(name) && !name.hasPrefix("x-kiln-") && name != "authorization"
            && name != "trailer"
    }
}

import NIOCore

@testable import Router

/// Responses: read the same however they are cut, in bounded memory; and what a client gets is read as the same response.
struct ResponseProperty {
    /// A response as it was read.
    struct Message: Equatable {
        let head: [UInt8]
        let status: Int
        var body: [UInt8] = []
        var trailers: [FieldPair] = []
        var isWhole = false
    }

    typealias Reading = MessageReading<Message>

    private static let large = HeadScanner.Limits(startLine: 65_535, bytes: 65_535, fields: 1_000)

    private let limits: HeadScanner.Limits
    private let method: RequestHead.Method
    private let version: RequestHead.Version

    init(_ choice: UInt8) {
        limits =
            choice & 1 == 0
            ? HeadScanner.Limits(startLine: 32_768, bytes: 32_768, fields: 100)
            : HeadScanner.Limits(startLine: 60, bytes: 200, fields: 4)
        method = choice & 2 == 0 ? .get : .head
        version = choice & 4 == 0 ? .http11 : .http10
    }

    func check(_ bytes: [UInt8]) throws(Violation) {
        let whole = Self.read(bytes, .whole, method, limits)
        for cut in Slicing.allCases {
            let other = Self.read(bytes, cut, method, limits)
            try demand(other == whole, "cut as \(cut) it is read otherwise")
            if cut == .single, !other.messages.contains(where: { $0.isWhole && $0.status >= 200 || $0.status == 101 }) {
                let most = max(limits.bytes, BodyDecoder.maximumChunkLine + 2) + 1
                try demand(other.waiting <= most, "\(other.waiting) bytes wait")
            }
        }
        for message in whole.messages { try checkRelayed(message) }
    }

    /// Reads `bytes`, which are all that an instance sends, as the answer to one request.
    static func read(_ bytes: [UInt8], _ cut: Slicing, _ method: RequestHead.Method, _ limits: HeadScanner.Limits)
        -> Reading
    {
        var decoder = ResponseDecoder(limits: limits)
        decoder.begin(method)
        var reading = Reading()
        func take(_ event: ResponseDecoder.Event) {
            let last = reading.messages.count - 1
            switch event {
            case .interim(let head, _), .head(let head, _):
                reading.messages.append(
                    Message(
                        head: Array(head.head.bytes.readableBytesView), status: head.status, isWhole: head.status < 200)
                )
            case .body(let data): reading.messages[last].body += data.readableBytesView
            case .end(let trailers):
                reading.messages[last].trailers = trailers?.pairs ?? []
                reading.messages[last].isWhole = true
            }
        }
        func advance() throws -> Bool {
            // What follows a 101 is no HTTP.
            if reading.messages.last?.status == 101 { return false }
            guard let event = try decoder.next() else { return false }
            take(event)
            return true
        }
        do {
            for piece in cut.pieces(bytes) {
                decoder.append(ByteBuffer(bytes: piece))
                while try advance() {}
                reading.waiting = max(reading.waiting, decoder.bufferedBytes)
            }
            if reading.messages.last?.status != 101, let event = try decoder.finish() { take(event) }
        } catch { reading.isRefused = true }
        return reading
    }

    private func checkRelayed(_ message: Message) throws(Violation) {
        guard let head = try? ResponseHead(ByteBuffer(bytes: message.head)),
            let facts = try? ResponseFacts(head, answering: method)
        else { throw Violation("a head is read once only") }
        let framing: ResponseRewriter.Framing =
            message.status < 200 ? .none : ResponseRewriter.framing(facts, for: version)
        var output = ByteBuffer()
        ResponseRewriter.write(
            head, facts: facts, framing: framing, connection: framing == .close ? .close : .implied, fromFunction: true,
            id: .generated(1, 2), request: Head(bytes: ByteBuffer()), date: ByteBuffer(string: "Date: now\r\n"),
            into: &output)
        let headBytes = Array(output.readableBytesView)
        if framing == .chunked {
            if !message.body.isEmpty {
                ChunkedEncoder.writeSize(message.body.count, into: &output)
                output.writeBytes(message.body)
                output.writeImmutableBuffer(ChunkedEncoder.lineEnd)
            }
            if message.isWhole { output.writeImmutableBuffer(ChunkedEncoder.end) }
        } else {
            output.writeBytes(message.body)
        }
        guard message.status != 101 else { return }
        let again = Self.read(Array(output.readableBytesView), .whole, method, Self.large)
        try demand(again.messages.count == 1, "it is relayed as \(again.messages.count) responses")
        let seen = again.messages[0]
        try demand(seen.status == message.status && seen.head == headBytes, "the head that is relayed ends elsewhere")
        try demand(seen.body == message.body, "the body that is relayed differs")
        // Before HTTP/1.1 the end of the connection is the only one there is; the Router resets it then.
        if framing != .close { try demand(seen.isWhole == message.isWhole, "its end is relayed otherwise") }
        let fields = FieldPair.read(seen.head)
        func count(_ name: String) -> Int { fields.count { $0.name == name } }
        try demand(count("content-length") + count("transfer-encoding") <= 1, "its length is said twice")
        if message.status == 204 || message.status < 200 {
            try demand(count("content-length") + count("transfer-encoding") == 0, "there is no body, but a length")
        }
        for field in fields {
            try demand(!field.name.hasPrefix("x-kiln-"), "a mark of the Router's own passes")
            for byte in field.value {
                try demand(byte != 0 && byte != 10 && byte != 13, "a value has a line's end or NUL")
            }
        }
        _ = StreamResponse.headers(head)
    }
}

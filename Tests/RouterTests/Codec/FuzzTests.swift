import NIOCore
import Testing

@testable import Router

/// Random messages made of the pieces that matter: nothing may trap, and how the bytes are cut may not matter.
@Suite struct FuzzTests {
    private static let pieces: [String] = [
        "GET ", "POST ", "GET", " ", "  ", "/fn/x", "/", "*", "?q", "#", "http://h", " HTTP/1.1", " HTTP/1.0",
        "HTTP/1.1", "\r\n",
        "\r\n", "\r\n", "\r\n\r\n", "\n", "\r", "Host: h\r\n", "Host:", "Content-Length: 3\r\n",
        "Content-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\n", "Transfer-Encoding: ", "Connection: close\r\n", "X: y\r\n", " folded\r\n",
        ":", "\u{0}",
        "3\r\nabc\r\n", "0\r\n\r\n", "0\r\nT: 1\r\n\r\n", "ffff\r\n", "5;x=y\r\nabcde\r\n", "abc", "\u{e4}", ";", ",",
        "100-continue",
        "HTTP/1.1 200 OK\r\n", "HTTP/1.1 100 C\r\n\r\n", "HTTP/1.1 204 N\r\n\r\n", "Expect: ", "Upgrade: websocket\r\n",
    ]

    private final class Transcript { var text = "" }

    /// What a connection's bytes are taken for, in words. Data is joined, for how it is cut is the only thing that may
    /// differ.
    private func requests(_ bytes: [UInt8], step: () -> Int) -> String {
        var decoder = RequestDecoder(limits: HeadScanner.Limits(startLine: 60, bytes: 200, fields: 4))
        let transcript = Transcript()
        var inBody = false
        var isRefused = false
        func advance() throws(SyntaxError) -> Bool {
            // The connection of a refused request is closed.
            guard !isRefused else { return false }
            if inBody {
                guard let piece = try decoder.nextBody() else { return false }
                switch piece {
                case .data(let data): transcript.text += data.readableBytesView.map { "\($0) " }.joined()
                case .end(let trailers):
                    transcript.text += "|\(trailers?.fields.count ?? 0)\n"
                    inBody = false
                }
                return true
            }
            guard let head = try decoder.nextHead() else { return false }
            transcript.text += head.head.text(0..<head.head.bytes.readableBytes)
            do throws(Reason) {
                let facts = try RequestFacts(head)
                let target = try head.head.withBytes { (bytes) throws(Reason) in
                    try RequestTarget.parse(bytes, head.target)
                }
                transcript.text += "\(facts.framing) \(target.destination)\n"
                decoder.beginBody(facts.framing)
                inBody = facts.framing != .none
            } catch {
                transcript.text += "refused"
                isRefused = true
                return false
            }
            return true
        }
        return run(bytes, step, transcript, { decoder.append($0) }, advance)
    }

    private func responses(_ bytes: [UInt8], step: () -> Int) -> String {
        var decoder = ResponseDecoder(limits: HeadScanner.Limits(startLine: 60, bytes: 200, fields: 4))
        decoder.begin(.get)
        let transcript = Transcript()
        func advance() throws(SyntaxError) -> Bool {
            guard let event = try decoder.next() else { return false }
            switch event {
            case .interim(let head, _): transcript.text += "\(head.status)\n"
            case .head(let head, let facts): transcript.text += "\(head.status) \(facts.framing)\n"
            case .body(let data): transcript.text += data.readableBytesView.map { "\($0) " }.joined()
            case .end(let trailers): transcript.text += "|\(trailers?.fields.count ?? 0)\n"
            }
            return true
        }
        return run(bytes, step, transcript, { decoder.append($0) }, advance)
    }

    private func run(
        _ bytes: [UInt8], _ step: () -> Int, _ transcript: Transcript, _ append: (ByteBuffer) -> Void,
        _ advance: () throws(SyntaxError) -> Bool
    ) -> String {
        var position = 0
        while position < bytes.count {
            let end = min(bytes.count, position + step())
            append(ByteBuffer(bytes: bytes[position..<end]))
            position = end
            do throws(SyntaxError) { while try advance() {} } catch { return transcript.text + "refused" }
        }
        return transcript.text
    }

    @Test(arguments: [UInt64](1...24))
    func `any bytes are read the same however they are cut`(round: UInt64) {
        var random = SeededRandom(round)
        for _ in 0..<300 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...14, using: &random) {
                if random.next() % 10 == 0 {
                    bytes += (0..<4).map { _ in UInt8(truncatingIfNeeded: random.next() >> 8) }
                } else {
                    bytes += Array((Self.pieces.randomElement(using: &random) ?? "").utf8)
                }
            }
            let whole = (requests(bytes) { bytes.count }, responses(bytes) { bytes.count })
            let comment = "\(String(decoding: bytes, as: Unicode.UTF8.self).debugDescription)"
            #expect(requests(bytes) { 1 } == whole.0, "\(comment)")
            #expect(requests(bytes) { Int.random(in: 1...9, using: &random) } == whole.0, "\(comment)")
            #expect(responses(bytes) { 1 } == whole.1, "\(comment)")
            #expect(responses(bytes) { Int.random(in: 1...9, using: &random) } == whole.1, "\(comment)")
        }
    }
}

/// The same numbers in each run (SplitMix64, Steele et al., "Fast Splittable Pseudorandom Number Generators"): what fails once fails again.
private struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}

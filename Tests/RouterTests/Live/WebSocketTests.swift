import Foundation
import Synchronization
import Testing

@testable import Router

/// WebSocket frames through a tunnel (RFC 6455): the Router reads none of them, so that valid and invalid ones, however they are cut, arrive as
/// they were sent. What to say to an invalid one is for the ends to know.
@Suite(.serialized) struct WebSocketTests {
    private static let mask: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]

    /// A frame with its first byte as given, masked as clients do.
    private static func frame(_ first: UInt8, _ payload: [UInt8], masked: Bool = true, bits: Int? = nil) -> [UInt8] {
        let count = payload.count
        let flag: UInt8 = masked ? 0x80 : 0
        var bytes = [first]
        switch bits ?? (count < 126 ? 7 : count < 65_536 ? 16 : 64) {
        case 7: bytes.append(flag | UInt8(count))
        case 16: bytes += [flag | 126, UInt8(count >> 8 & 255), UInt8(count & 255)]
        default:
            bytes.append(flag | 127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(count >> shift & 255)) }
        }
        guard masked else { return bytes + payload }
        return bytes + mask + payload.enumerated().map { $1 ^ mask[$0 % 4] }
    }

    private static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) } }

    /// What is sent, by what it is about.
    private static let cases: [(String, [UInt8])] = {
        var cases: [(String, [UInt8])] = []
        for size in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
            for opcode in [0x81, 0x82] as [UInt8] { cases.append(("framing", frame(opcode, bytes(size)))) }
        }
        // Lengths that a shorter form would hold, and one without an end.
        cases += [("framing", frame(0x82, bytes(5), bits: 16)), ("framing", frame(0x82, bytes(5), bits: 64))]
        cases.append(("framing", [0x82, 0xFF] + [UInt8](repeating: 0xFF, count: 12)))
        for size in [0, 125, 126, 200] {
            for first in [0x89, 0x8A] as [UInt8] { cases.append(("ping", frame(first, bytes(size)))) }
        }
        for bits in [1, 2, 3, 4, 5, 6, 7] as [UInt8] {
            for opcode in [1, 2, 8, 9] as [UInt8] {
                let first: UInt8 = 0x80 | (bits << 4) | opcode
                cases.append(("reserved bits", frame(first, bytes(8))))
            }
        }
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] as [UInt8] {
            let first: UInt8 = 0x80 | opcode
            cases.append(("opcodes", frame(first, bytes(4)) + frame(0x81, bytes(3))))
        }
        let hello = [frame(0x01, [72, 101]), frame(0x89, [1]), frame(0x00, [108]), frame(0x80, [108, 111])]
        cases.append(("fragments", hello.flatMap(\.self)))
        cases += [
            ("fragments", frame(0x09, [1])), ("fragments", frame(0x80, [1])),
            ("fragments", frame(0x01, []) + frame(0x81, [])),
        ]
        let firsts: [UInt8] = [2] + [UInt8](repeating: 0, count: 498) + [0x80]
        cases.append(("fragments", firsts.flatMap { frame($0, [1]) }))
        for text in [
            [0xCE, 0xBA, 0xE1], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xC0, 0xAF], [0xFF],
            [0xF0, 0x9F, 0x98, 0x80],
        ] as [[UInt8]] {
            cases.append(("UTF-8", frame(0x81, text)))
            let pieces = text.indices.map { index -> [UInt8] in
                frame(index == 0 ? 1 : index == text.count - 1 ? 0x80 : 0, [text[index]])
            }
            cases.append(("UTF-8", pieces.flatMap(\.self)))
        }
        for code in [0, 999, 1000, 1004, 1005, 1006, 1011, 1015, 2999, 3000, 4999, 5000, 65_535] {
            let reason: [UInt8] = [UInt8(code >> 8), UInt8(code & 255), 98, 121, 101]
            cases.append(("close", frame(0x88, reason) + frame(0x81, bytes(3))))
        }
        cases += [("close", frame(0x88, [])), ("close", frame(0x88, [3])), ("close", frame(0x88, bytes(126)))]
        cases.append(("mask", frame(0x81, bytes(9), masked: false)))
        cases.append(("no frames", bytes(1_000)))
        cases.append(("no frames", Array("GET / HTTP/1.1\r\nHost: h\r\n\r\n0\r\n\r\n".utf8)))
        return cases
    }()

    private func withTunnel(
        _ echo: @escaping @Sendable (RawSocket) throws -> Void, _ body: @escaping @Sendable (RawSocket) throws -> Void
    ) async throws {
        try await withRouter(loops: 1) { router in
            let upstream = try TestUpstream("a", path: router.path("a")) { socket, _ in
                _ = try socket.receiveRequest()
                try socket.send("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                try echo(socket)
            }
            try router.route(["f": [upstream]])
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send("GET /fn/f HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                #expect(try socket.receiveHead().status == 101)
                try body(socket)
            }
        }
    }

    @Test func `every frame, right or wrong, arrives as it was sent, in both directions`() async throws {
        let all = Self.cases.flatMap(\.1)
        try await withTunnel({ socket in
            while let bytes = try? socket.receiveSome(seconds: 30), !bytes.isEmpty { try socket.send(bytes) }
            try socket.send("end")
        }) { socket in
            for (about, sent) in Self.cases {
                try socket.send(sent)
                #expect(try socket.receive(sent.count) == sent, "\(about): \(sent.prefix(24))")
            }
            // In pieces of one byte, and of some.
            for size in [1, 7, 997] {
                for start in stride(from: 0, to: min(all.count, size * 2_000), by: size) {
                    let piece = Array(all[start..<min(start + size, all.count)])
                    try socket.send(piece)
                    if start % 100 == 0 { usleep(50) }
                }
                let count = min(all.count, (min(all.count, size * 2_000) + size - 1) / size * size)
                #expect(try socket.receive(count) == Array(all[..<count]), "pieces of \(size)")
            }
            // The close handshake is the ends' own; an end of one direction leaves the other.
            try socket.send(Self.frame(0x88, [3, 232]))
            #expect(try socket.receive(8) == Self.frame(0x88, [3, 232]))
            socket.endOutput()
            #expect(try socket.receiveAll() == "end")
        }
    }

    @Test func `an instance that has said all may still be told more`() async throws {
        let heard = Mutex<[UInt8]>([])
        try await withTunnel({ socket in
            try socket.send(Self.frame(0x88, [3, 232], masked: false))
            socket.endOutput()
            while let bytes = try? socket.receiveSome(seconds: 5), !bytes.isEmpty { heard.withLock { $0 += bytes } }
        }) { socket in
            #expect(try socket.receive(4) == [0x88, 2, 3, 232])
            #expect(try socket.receiveSome().isEmpty)
            try socket.send(Self.frame(0x81, Self.bytes(300)))
            try socket.send(Self.frame(0x88, [3, 232]))
            socket.endOutput()
            usleep(200_000)
        }
        let expected = Self.frame(0x81, Self.bytes(300)) + Self.frame(0x88, [3, 232])
        #expect(heard.withLock { $0 } == expected)
    }

    @Test func `a quarter of a gigabyte goes through both ways at once in flat memory`() async throws {
        let size = 256 << 20
        let memory = MemoryWatch()
        try await withTunnel({ socket in
            let block = [UInt8](repeating: 97, count: 1 << 20)
            let sender = Thread { for _ in 0..<(size >> 20) { try? socket.send(block) } }
            sender.start()
            let received = try socket.drain(memory, until: size)
            #expect(received == size)
            while !sender.isFinished { usleep(10_000) }
        }) { socket in
            let block = [UInt8](repeating: 98, count: 1 << 20)
            let sender = Thread { for _ in 0..<(size >> 20) { try? socket.send(block) } }
            sender.start()
            // Slower at first than the other end.
            usleep(300_000)
            let received = try socket.drain(memory, until: size)
            #expect(received == size)
            while !sender.isFinished { usleep(10_000) }
        }
        #expect(memory.growth < 32 << 20, "\(memory.growth >> 20) MiB")
    }
}

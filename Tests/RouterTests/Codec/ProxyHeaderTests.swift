import NIOCore
import Testing

@testable import Router

@Suite struct ProxyHeaderTests {
    /// A header of version 2 with `body` behind the length.
    private static func binary(_ command: UInt8, _ transport: UInt8, _ body: [UInt8]) -> [UInt8] {
        [0x0D, 0x0A, 0x0D, 0x0A, 0, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A, command, transport]
            + [UInt8(body.count >> 8), UInt8(body.count & 0xFF)] + body
    }

    private static let four: [UInt8] = [192, 0, 2, 7, 10, 0, 0, 1, 0xDC, 0x04, 0, 80]
    private static let six: [UInt8] =
        [0x20, 0x01, 0x0D, 0xB8] + [UInt8](repeating: 0, count: 11) + [9] + [UInt8](repeating: 1, count: 16)
        + [0xDC, 0x04, 0, 80]

    @Test(arguments: [
        (Array("PROXY TCP4 192.0.2.7 10.0.0.1 56324 80\r\n".utf8), "192.0.2.7" as String?, 56324 as Int?),
        (Array("PROXY TCP6 2001:db8::9 ::1 56324 80\r\n".utf8), "2001:db8::9", 56324),
        (Array("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n".utf8), "255.255.255.255", 65535),
        (Array("PROXY UNKNOWN\r\n".utf8), nil, nil),
        (Array("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".utf8), nil, nil),
        (binary(0x21, 0x11, four), "192.0.2.7", 56324), (binary(0x21, 0x21, six), "2001:db8::9", 56324),
        // With what else a proxy may tell behind the addresses.
        (binary(0x21, 0x11, four + [4, 0, 3, 1, 2, 3]), "192.0.2.7", 56324),
        // LOCAL, and kinds that have no address here: unspecified, UDP, a unix socket.
        (binary(0x20, 0x00, []), nil, nil), (binary(0x20, 0x11, four), nil, nil),
        (binary(0x21, 0x00, [1, 2]), nil, nil),
        (binary(0x21, 0x12, four), nil, nil), (binary(0x21, 0x31, [UInt8](repeating: 0, count: 216)), nil, nil),
    ])
    func `a header is read as soon as it is whole, and not before`(bytes: [UInt8], address: String?, port: Int?) {
        for end in 0..<bytes.count { #expect(ProxyHeader.read(bytes.prefix(end)) == .incomplete, "\(end)") }
        for rest in ["", "GET / HTTP/1.1\r\n", "PROXY TCP4"] {
            guard case .header(let header) = ProxyHeader.read(bytes + Array(rest.utf8)) else {
                Issue.record("no header")
                continue
            }
            #expect(header.length == bytes.count)
            #expect(header.source?.ipAddress == address && header.source?.port == port)
        }
    }

    @Test(arguments: [
        "GET / HTTP/1.1\r\n", "PROXY\r\n", "proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
        "PROXY TCP4 ::1 ::1 1 1\r\n", "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n", "PROXY TCP4 1.2.3.4 ::1 1 1\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 1\r\n", "PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n", "PROXY TCP4 1.2.3.4 1.2.3.4 +1 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4  1\r\n",
        "PROXY TCP5 1.2.3.4 1.2.3.4 1 1\r\n", "PROXY \r\n",
        "PROXY UNKNOWN" + String(repeating: "x", count: 100) + "\r\n",
        "\r\n\r\nGET",
    ])
    func `what is no header is none`(text: String) {
        #expect(ProxyHeader.read(Array(text.utf8)) == .malformed)
    }

    @Test func `a binary header that contradicts itself, or is too long, is none`() {
        let long = [UInt8](repeating: 0, count: ProxyHeader.longestBinary - 15)
        for bytes in [
            Self.binary(0x11, 0x11, Self.four), Self.binary(0x22, 0x11, Self.four),
            Self.binary(0x21, 0x11, [1, 2, 3]), Self.binary(0x21, 0x21, Self.four), Self.binary(0x21, 0x11, long),
        ] {
            #expect(ProxyHeader.read(bytes) == .malformed)
        }
        #expect(Self.binary(0x21, 0x11, Array(long.dropLast())).count == ProxyHeader.longestBinary)
        guard case .header = ProxyHeader.read(Self.binary(0x21, 0x11, Array(long.dropLast()))) else {
            Issue.record("The longest one is refused.")
            return
        }
    }
}

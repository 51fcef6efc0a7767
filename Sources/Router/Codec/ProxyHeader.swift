import NIOCore

/// The header by which a proxy that passes bytes on says whose connection it is: version 1, a line of text, or version 2, in binary
/// (haproxy.org, "The PROXY protocol", versions 1 & 2).
///
/// It is read strictly, and only from proxies that are trusted: whoever may send one may say to be anybody.
struct ProxyHeader: Equatable {
    /// The longest header of version 1, in bytes, its CRLF included (section 2.1).
    static let longestLine = 107
    /// The longest header of version 2 that is read, in bytes: addresses, and what else a proxy tells (section 2.2.7), which is skipped.
    static let longestBinary = 4_096

    /// Its length in bytes.
    var length: Int
    /// The client's address; `nil` when the connection is the proxy's own, a health check, or of a kind that has no address here: then the
    /// connection's own counts.
    var source: SocketAddress?

    /// What the beginning of a connection is.
    enum Reading: Equatable {
        case header(ProxyHeader)
        /// More bytes are needed.
        case incomplete
        /// It is none.
        case malformed
    }

    private static let signature: [UInt8] = [0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A]
    private static let word = Array("PROXY ".utf8)

    /// Reads the header at the beginning of `bytes`.
    static func read(_ bytes: some Collection<UInt8>) -> Reading {
        let bytes = Array(bytes.prefix(longestBinary))
        if let first = bytes.first, first == signature[0] { return readBinary(bytes) }
        return readLine(bytes)
    }

    // MARK: Version 1

    private static func readLine(_ bytes: [UInt8]) -> Reading {
        guard word.starts(with: bytes.prefix(word.count)) || bytes.starts(with: word) else { return .malformed }
        guard let end = bytes.prefix(longestLine).firstIndex(of: UInt8(ascii: "\n")) else {
            return bytes.count < longestLine ? .incomplete : .malformed
        }
        guard end > word.count, bytes[end - 1] == UInt8(ascii: "\r") else { return .malformed }
        let parts = bytes[word.count..<(end - 1)].split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
        // Whatever follows UNKNOWN is to be ignored.
        if parts[0] == "UNKNOWN" { return .header(ProxyHeader(length: end + 1)) }
        guard parts.count == 5, let source = address(parts[1], parts[3]), let destination = address(parts[2], parts[4]),
            source.protocol == destination.protocol, source.protocol == family(parts[0])
        else { return .malformed }
        return .header(ProxyHeader(length: end + 1, source: source))
    }

    private static func family(_ name: String) -> NIOBSDSocket.ProtocolFamily? {
        switch name {
        case "TCP4": .inet
        case "TCP6": .inet6
        default: nil
        }
    }

    private static func address(_ host: String, _ port: String) -> SocketAddress? {
        guard !port.isEmpty, port.utf8.allSatisfy(ASCII.isDigit), let number = UInt16(port) else { return nil }
        return try? SocketAddress(ipAddress: host, port: Int(number))
    }

    // MARK: Version 2

    private static func readBinary(_ bytes: [UInt8]) -> Reading {
        guard signature.starts(with: bytes.prefix(signature.count)) || bytes.starts(with: signature) else {
            return .malformed
        }
        guard bytes.count >= 16 else { return .incomplete }
        let (command, transport) = (bytes[12], bytes[13])
        let rest = Int(bytes[14]) << 8 | Int(bytes[15])
        guard command == 0x20 || command == 0x21, 16 + rest <= longestBinary else { return .malformed }
        guard bytes.count >= 16 + rest else { return .incomplete }
        var header = ProxyHeader(length: 16 + rest)
        // LOCAL: the proxy asks for itself.
        guard command == 0x21 else { return .header(header) }
        switch transport {
        case 0x11:
            guard rest >= 12 else { return .malformed }
            header.source = packed(bytes[16..<20], bytes[24..<26])
        case 0x21:
            guard rest >= 36 else { return .malformed }
            header.source = packed(bytes[16..<32], bytes[48..<50])
        default: break
        }
        return .header(header)
    }

    private static func packed(_ address: ArraySlice<UInt8>, _ port: ArraySlice<UInt8>) -> SocketAddress? {
        let number = port.reduce(0) { $0 << 8 | Int($1) }
        return try? SocketAddress(packedIPAddress: ByteBuffer(bytes: address), port: number)
    }
}

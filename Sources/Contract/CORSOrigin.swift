/// The origin of a page, in the spelling that browsers send (RFC 6454, 6.2): `https://example.com`, `http://localhost:8080`.
package enum CORSOrigin {
    /// The longest origin in bytes.
    package static let longest = 300

    /// Reads `scheme://host[:port]`, and writes it as browsers do, in lower case and without the scheme's usual port; throws
    /// ``InvalidOption`` for anything else.
    package static func read(_ text: String) throws(InvalidOption) -> String {
        func invalid(_ reason: String) -> InvalidOption { InvalidOption(name: "cors", value: text, reason: reason) }
        guard text != "null" else {
            throw invalid("every page can make that its origin; serve the page from one that has a name")
        }
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw invalid("write the host as browsers send it, e.g. xn--bcher-kva.example for bücher.example")
        }
        guard text.utf8.count <= longest else { throw invalid("an origin has at most \(longest) bytes") }
        let lower = text.lowercased()
        let usage = "use an origin such as https://example.com or http://localhost:8080, or * for every one"
        guard let mark = lower.firstRange(of: "://") else { throw invalid(usage) }
        let scheme = lower[..<mark.lowerBound]
        guard let letter = scheme.utf8.first, isLetter(letter), scheme.utf8.allSatisfy(isOfScheme) else {
            throw invalid(usage)
        }
        let authority = lower[mark.upperBound...]
        guard !authority.contains(where: { "/?#@".contains($0) }) else {
            throw invalid("an origin is scheme://host:port alone, without a user, a path or even '/' behind it")
        }
        guard let (host, port) = split(authority), isHost(host) else { throw invalid(usage) }
        let isUsual = (scheme == "https" && port == 443) || (scheme == "http" && port == 80)
        return "\(scheme)://\(host)\(isUsual ? "" : port.map { ":\($0)" } ?? "")"
    }

    private static func split(_ authority: Substring) -> (host: Substring, port: Int?)? {
        let end = authority.hasPrefix("[") ? authority.firstIndex(of: "]") : authority.startIndex
        guard let end else { return nil }
        guard let colon = authority[end...].firstIndex(of: ":") else { return (authority, nil) }
        let digits = authority[authority.index(after: colon)...]
        guard digits.utf8.count <= 5, digits.isDecimal, let port = Int(digits), (1...65_535).contains(port) else {
            return nil
        }
        return (authority[..<colon], port)
    }

    private static func isHost(_ host: Substring) -> Bool {
        if host.hasPrefix("[") {
            return host.hasSuffix("]") && host.utf8.count > 4
                && host.dropFirst().dropLast().utf8.allSatisfy {
                    isDigit($0) || (0x61...0x66).contains($0) || isMark($0)
                }
        }
        return !host.isEmpty
            && host.utf8.allSatisfy { isLetter($0) || isDigit($0) || [0x2D, 0x2E, 0x5F].contains($0) }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x61...0x7A).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    /// What stands between the numbers of an IPv6 address.
    private static func isMark(_ byte: UInt8) -> Bool { byte == UInt8(ascii: ":") || byte == UInt8(ascii: ".") }
    private static func isOfScheme(_ byte: UInt8) -> Bool {
        isLetter(byte) || isDigit(byte) || [0x2B, 0x2D, 0x2E].contains(byte)
    }
}

/// What keeps a client on its revision while several share the traffic. Written `cookie`, or `header:X-User`.
package enum Stickiness: Hashable, Sendable {
    /// A cookie of the Router's.
    case cookie
    /// What the field of this name says, in lower case.
    case header(String)

    /// The longest name of a field.
    package static let longestName = 64

    /// Reads `cookie` or `header:NAME`; throws ``InvalidOption`` for anything else.
    package init(_ text: String) throws(InvalidOption) {
        if text == "cookie" {
            self = .cookie
            return
        }
        guard text.hasPrefix("header:") else {
            throw InvalidOption(name: "sticky", value: text, reason: "use cookie, or header:NAME, e.g. header:X-User")
        }
        let name = text.dropFirst("header:".count).lowercased()
        guard (1...Self.longestName).contains(name.utf8.count), name.utf8.allSatisfy(Self.isToken) else {
            throw InvalidOption(
                name: "sticky", value: text,
                reason: "a field's name has letters, digits and '-' or '_', at most \(Self.longestName)")
        }
        self = .header(name)
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: "_")
    }
}

extension Stickiness: CustomStringConvertible {
    package var description: String {
        switch self {
        case .cookie: "cookie"
        case .header(let name): "header:\(name)"
        }
    }
}

extension Stickiness: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        do throws(InvalidOption) { self = try Stickiness(text) } catch {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: error.description)
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

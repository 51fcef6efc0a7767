/// What a function may reach: the query option `network=none|internet|CIDR…`.
package enum NetworkPolicy: Hashable, Sendable {
    /// Nothing: not even DNS.
    case none
    /// The internet: everything but private, link-local and other special ranges, the host and other functions.
    case internet
    /// Only these IPv4 ranges (and DNS); the operator decides whether private ones may be named.
    case ranges([IPv4Range])

    /// The largest number of ranges one function may name.
    package static let maximumRanges = 32

    /// Parses `none`, `internet` or a comma-separated list of IPv4 CIDRs; throws ``InvalidOption`` otherwise.
    package init(_ text: String) throws(InvalidOption) {
        switch text {
        case "none": self = .none
        case "internet": self = .internet
        default:
            var ranges: [IPv4Range] = []
            for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                guard let range = IPv4Range(String(part)) else {
                    throw InvalidOption(
                        name: "network", value: text,
                        reason: "use 'none', 'internet' or IPv4 ranges such as 198.51.100.0/24, separated by commas")
                }
                ranges.append(range)
            }
            guard ranges.count <= Self.maximumRanges else {
                throw InvalidOption(
                    name: "network", value: text, reason: "at most \(Self.maximumRanges) ranges are allowed")
            }
            self = .ranges(ranges)
        }
    }
}

extension NetworkPolicy: CustomStringConvertible, Codable {
    package var description: String {
        switch self {
        case .none: "none"
        case .internet: "internet"
        case .ranges(let ranges): ranges.map(\.description).joined(separator: ",")
        }
    }

    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// An IPv4 range in CIDR notation (RFC 4632 §3.1), stored with its host bits cleared.
package struct IPv4Range: Hashable, Sendable, CustomStringConvertible {
    /// The first address, in host byte order.
    package let base: UInt32
    /// The number of leading bits that are fixed, 0 to 32.
    package let prefixLength: Int

    /// Parses `a.b.c.d/n` or a single address `a.b.c.d`; `nil` for anything else, leading zeros included.
    package init?(_ text: String) {
        let halves = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = halves.first.flatMap({ Self.address(String($0)) }) else { return nil }
        var length = 32
        if halves.count == 2 {
            guard let parsed = Self.decimal(halves[1], maximum: 32) else { return nil }
            length = parsed
        }
        self.init(base: address, prefixLength: length)
    }

    /// The range of `prefixLength` leading bits around `base`.
    package init(base: UInt32, prefixLength: Int) {
        self.prefixLength = prefixLength
        self.base = base & Self.mask(prefixLength)
    }

    /// Whether the two ranges have an address in common.
    package func overlaps(_ other: IPv4Range) -> Bool {
        let mask = Self.mask(min(prefixLength, other.prefixLength))
        return base & mask == other.base & mask
    }

    package var description: String {
        "\(base >> 24).\(base >> 16 & 255).\(base >> 8 & 255).\(base & 255)/\(prefixLength)"
    }

    private static func mask(_ length: Int) -> UInt32 { length == 0 ? 0 : UInt32.max << UInt32(32 - length) }

    private static func address(_ text: String) -> UInt32? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            guard let octet = decimal(part, maximum: 255) else { return nil }
            value = value << 8 | UInt32(octet)
        }
        return value
    }

    private static func decimal(_ text: Substring, maximum: Int) -> Int? {
        guard text.utf8.count <= 3, text.isDecimal,
            text == "0" || text.utf8.first != 48, let value = Int(text), value <= maximum
        else { return nil }
        return value
    }
}

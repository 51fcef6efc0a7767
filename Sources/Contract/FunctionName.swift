/// The name of a function: a DNS-1035 label (RFC 1035 §2.3.1) of at most 40 characters.
///
/// Forty, not 63, because Kubernetes objects append `-r<N>` and a hash to it and must stay within 63. Lower-case letters,
/// digits and hyphens, starting with a letter and not ending with a hyphen; a few names are reserved.
package struct FunctionName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The longest name, in characters.
    package static let maximumLength = 40

    /// Names that a path or an object of Kiln's own uses or may come to use.
    package static let reserved: Set<String> = [
        "kiln", "fn", "func", "healthz", "readyz", "metrics", "openapi", "base", "gc",
    ]

    /// The name as text.
    package let value: String

    /// Checks `value` against the rules above and throws ``InvalidFunctionName`` saying which one it breaks.
    package init(_ value: String) throws(InvalidFunctionName) {
        guard !value.isEmpty else { throw InvalidFunctionName(value: value, reason: "it is empty") }
        guard value.utf8.count <= Self.maximumLength else {
            throw InvalidFunctionName(
                value: value, reason: "it is longer than \(Self.maximumLength) characters (\(value.utf8.count))")
        }
        guard let first = value.utf8.first, let last = value.utf8.last, Self.isLetter(first) else {
            throw InvalidFunctionName(value: value, reason: "it must start with a letter a-z")
        }
        guard value.utf8.allSatisfy({ Self.isLetter($0) || Self.isDigit($0) || $0 == UInt8(ascii: "-") }) else {
            throw InvalidFunctionName(value: value, reason: "only a-z, 0-9 and '-' are allowed")
        }
        guard last != UInt8(ascii: "-") else {
            throw InvalidFunctionName(value: value, reason: "it must not end with '-'")
        }
        guard !Self.reserved.contains(value) else {
            throw InvalidFunctionName(value: value, reason: "it is reserved")
        }
        self.value = value
    }

    package var description: String { value }

    package static func < (left: Self, right: Self) -> Bool { left.value < right.value }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

/// Why a text is no function name.
package struct InvalidFunctionName: Error, Equatable, CustomStringConvertible {
    /// The rejected text.
    package let value: String
    /// Which rule it breaks, as the end of a sentence.
    package let reason: String

    package var description: String {
        "'\(value.prefix(80))' is not a function name: \(reason). Use a DNS-1035 label: a-z, 0-9 and '-', starting with a "
            + "letter, at most \(FunctionName.maximumLength) characters."
    }
}

extension FunctionName: Codable, CodingKeyRepresentable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        try self.init(container.decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(value)
    }

    package var codingKey: any CodingKey { PlainCodingKey(value) }

    package init?(codingKey: some CodingKey) { try? self.init(codingKey.stringValue) }
}

struct PlainCodingKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(_ value: String) { stringValue = value }
    init?(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}

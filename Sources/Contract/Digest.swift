/// A content digest as OCI writes it: `sha256:` and 64 lower-case hexadecimal digits (OCI image-spec, descriptor.md).
///
/// Only SHA-256 is known: every registry has it, and a second algorithm would give one blob two names.
package struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// The 64 hexadecimal digits after `sha256:`.
    package let hex: String

    /// Parses `sha256:<hex>`; throws ``InvalidDigest`` for anything else, upper-case digits included.
    package init(_ text: String) throws(InvalidDigest) {
        guard text.hasPrefix("sha256:"), let digest = Digest(hex: String(text.dropFirst(7))) else {
            throw InvalidDigest(text: text)
        }
        self = digest
    }

    /// From the 64 hexadecimal digits alone; `nil` when they are not that.
    package init?(hex: String) {
        guard hex.utf8.count == 64, hex.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) }) else {
            return nil
        }
        self.hex = hex
    }

    /// From the 32 bytes a hash function returned.
    ///
    /// - Precondition: exactly 32 bytes: a hash of another length is a programming error.
    package init(bytes: some Sequence<UInt8>) {
        var hex = ""
        hex.reserveCapacity(64)
        for byte in bytes {
            hex.append(Self.digits[Int(byte >> 4)])
            hex.append(Self.digits[Int(byte & 15)])
        }
        precondition(hex.utf8.count == 64, "a SHA-256 digest has 32 bytes")
        self.hex = hex
    }

    private static let digits: [Character] = Array("0123456789abcdef")

    package var description: String { "sha256:" + hex }
}

/// A text that is no `sha256:` digest.
package struct InvalidDigest: Error, Equatable, CustomStringConvertible {
    /// The rejected text.
    package let text: String
    package var description: String { "'\(text.prefix(100))' is not a digest: 'sha256:' and 64 lower-case hex digits." }
}

extension Digest: Codable {
    package init(from decoder: any Decoder) throws {
        try self.init(decoder.singleValueContainer().decode(String.self))
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

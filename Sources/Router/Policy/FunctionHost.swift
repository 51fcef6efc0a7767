import Contract

/// A pattern of host names under which functions answer at their root, such as `{name}.example.com`: what is below such a name is the
/// function's own, whatever its path.
package struct FunctionHost: Sendable, Equatable {
    /// What stands for the function's name.
    private static let placeholder = "{name}"
    /// The longest host name, in bytes (RFC 1035, 2.3.4).
    private static let maximumLength = 253

    /// What comes before and after the name, in lower case.
    private let prefix: [UInt8]
    private let suffix: [UInt8]

    /// The pattern as it was given.
    package let text: String

    /// Reads a pattern: a host name in which `{name}` is once, in the first label, with at least one more label behind it; no port.
    package init(_ text: String) throws(RouterError) {
        let parts = Self.split(text)
        guard let (before, after) = parts, before.allSatisfy({ Self.isInLabel($0) }) else {
            throw RouterError(
                .configuration,
                "A pattern of functions' host names has {name} in its first label, and no port: {name}.example.com."
            )
        }
        let dot = after.firstIndex(of: UInt8(ascii: "."))
        guard let dot, dot + 1 < after.count, after.last != UInt8(ascii: "."),
            after.allSatisfy({ Self.isInLabel($0) || $0 == UInt8(ascii: ".") }),
            before.count + after.count + FunctionName.maximumLength <= Self.maximumLength
        else {
            throw RouterError(
                .configuration,
                "A pattern of functions' host names ends in a domain of letters, digits and hyphens: {name}.example.com."
            )
        }
        prefix = before
        suffix = after
        self.text = text
    }

    /// The function's name in `host`, as ``HostName/split(_:)`` returns it; `nil` when the host does not match, or stands for a name that no
    /// function can have: `kiln.example.com` stays the platform's. A host's case does not matter (RFC 9110, 4.2.3), nor does the dot
    /// at the end of a full name.
    func name(in host: UnsafeRawBufferPointer) -> String? {
        var end = host.count
        if end > 0, host[end - 1] == UInt8(ascii: ".") { end -= 1 }
        let length = end - prefix.count - suffix.count
        guard length > 0, length <= FunctionName.maximumLength else { return nil }
        for index in 0..<suffix.count where ASCII.lower(host[end - suffix.count + index]) != suffix[index] {
            return nil
        }
        for index in 0..<prefix.count where ASCII.lower(host[index]) != prefix[index] { return nil }
        let name = host.part(prefix.count..<(prefix.count + length))
        guard name.allSatisfy({ Self.isInLabel(ASCII.lower($0)) }) else { return nil }
        let text = String(decoding: name.lazy.map(ASCII.lower), as: UTF8.self)
        return FunctionName.reserved.contains(text) ? nil : text
    }

    private static func split(_ text: String) -> (before: [UInt8], after: [UInt8])? {
        let bytes = Array(text.utf8.map(ASCII.lower))
        let mark = Array(placeholder.utf8)
        let starts = bytes.indices.filter { bytes[$0...].starts(with: mark) }
        guard starts.count == 1, let start = starts.first else { return nil }
        return (Array(bytes[..<start]), Array(bytes[(start + mark.count)...]))
    }

    private static func isInLabel(_ byte: UInt8) -> Bool {
        byte &- 0x61 < 26 || ASCII.isDigit(byte) || byte == UInt8(ascii: "-")
    }
}

/// Names of instances: twelve random hexadecimal digits, never used twice in practice.
enum InstanceID {
    /// A new name.
    static func random() -> String {
        let value = UInt64.random(in: 0..<(1 << 48))
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 12 - digits.count) + digits
    }

    /// Whether `text` is such a name.
    static func isValid(_ text: String) -> Bool { isHexadecimal(text, count: 12) }

    /// Whether `text` is `count` lower-case hexadecimal digits.
    static func isHexadecimal(_ text: String, count: Int) -> Bool {
        text.utf8.count == count && text.utf8.allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }
}

extension StringProtocol {
    /// Whether these are digits of ASCII, one at least, and nothing else: no sign, no blank, no other script's.
    package var isDecimal: Bool { !isEmpty && utf8.allSatisfy { (48...57).contains($0) } }
}

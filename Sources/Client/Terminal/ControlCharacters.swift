/// Makes text that others wrote harmless for a terminal: a log line must not move the cursor, rename the window, answer for the
/// keyboard, or turn the reading direction around.
package enum ControlCharacters {
    /// `text` with control characters (C0 but tabs and line feeds, DEL, C1) and bidirectional overrides (UAX #9) written out,
    /// e.g. `^[` for escape and `<U+202E>`.
    package static func shown(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isControl) else { return text }
        var result = ""
        for scalar in text.unicodeScalars {
            if isControl(scalar) {
                result += written(scalar)
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x09, 0x0A: false
        case 0...0x1F, 0x7F...0x9F, 0x200E...0x200F, 0x202A...0x202E, 0x2066...0x2069: true
        default: false
        }
    }

    private static func written(_ scalar: Unicode.Scalar) -> String {
        switch scalar.value {
        case 0...0x1F: "^" + String(UnicodeScalar(UInt8(scalar.value + 0x40)))
        case 0x7F: "^?"
        default: "<U+\(String(scalar.value, radix: 16, uppercase: true))>"
        }
    }
}

/// How many columns of a terminal text takes.
///
/// The C library's `wcwidth` would depend on the locale; this knows what Unicode says: marks take none, East Asian wide
/// characters (UAX #11, W and F) and emoji take two.
package enum TextWidth {
    /// The columns of `text`.
    package static func columns(of text: some StringProtocol) -> Int {
        text.reduce(0) { $0 + columns(of: $1) }
    }

    /// The columns of one character as a reader sees it.
    package static func columns(of character: Character) -> Int {
        if let ascii = character.asciiValue { return ascii < 32 || ascii == 127 ? 0 : 1 }
        let scalars = character.unicodeScalars
        // U+FE0F asks for the emoji form of what has a text form too.
        if scalars.contains(where: { $0.properties.isEmojiPresentation || $0.value == 0xFE0F }) { return 2 }
        guard let first = scalars.first else { return 0 }
        switch first.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control: return 0
        default: return wide.contains { $0.contains(first.value) } ? 2 : 1
        }
    }

    /// `text` cut to `columns`, the last of them `…` when something is missing.
    package static func cut(_ text: String, to columns: Int) -> String {
        guard self.columns(of: text) > columns else { return text }
        guard columns > 0 else { return "" }
        var result = ""
        var used = 0
        for character in text {
            let width = self.columns(of: character)
            guard used + width <= columns - 1 else { break }
            result.append(character)
            used += width
        }
        return result + "…"
    }

    /// `text` with spaces after it up to `columns`.
    package static func padded(_ text: String, to columns: Int) -> String {
        text + String(repeating: " ", count: max(0, columns - self.columns(of: text)))
    }

    /// The blocks that are wide or fullwidth as a whole (EastAsianWidth.txt, Unicode 15.1).
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
        0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF01...0xFF60, 0xFFE0...0xFFE6,
        0x16FE0...0x18CFF, 0x1AFF0...0x1B2FF, 0x1F200...0x1F2FF, 0x20000...0x2FFFD, 0x30000...0x3FFFD,
    ]
}

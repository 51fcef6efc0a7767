import Glibc

/// When colours are used: the option `--color`.
package enum ColorChoice: String, Sendable, CaseIterable {
    /// On terminals, unless `NO_COLOR` is set (no-color.org) or `TERM` is `dumb`.
    case auto
    /// Always.
    case always
    /// Never.
    case never
}

/// What a standard stream is connected to, and so how text on it may look.
package struct Terminal: Sendable, Hashable {
    /// Its columns; `nil` when the stream is a pipe or a file: nothing is cut off, drawn or animated there.
    package let width: Int?
    /// Whether escape sequences for colours may be written.
    package let isColored: Bool

    /// A stream of this kind.
    package init(width: Int?, isColored: Bool) {
        self.width = width
        self.isColored = isColored
    }

    /// What is behind `descriptor` now. `variable` reads the environment: `NO_COLOR`, `TERM`, and `COLUMNS` for
    /// terminals that do not know their size.
    package init(descriptor: Int32, color: ColorChoice, variable: (String) -> String?) {
        let isTerminal = isatty(descriptor) == 1
        let plain = !(variable("NO_COLOR") ?? "").isEmpty || variable("TERM") == "dumb"
        isColored = color == .always || (color == .auto && isTerminal && !plain)
        guard isTerminal else {
            width = nil
            return
        }
        var size = winsize()
        let known = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        width = max(20, known ? Int(size.ws_col) : variable("COLUMNS").flatMap { Int($0) } ?? 80)
    }

    /// Whether a person looks at it.
    package var isTerminal: Bool { width != nil }

    /// `text` in `styles` where colours may be used; as it is elsewhere.
    package func paint(_ text: String, _ styles: Style...) -> String { paint(text, styles) }

    /// `text` in `styles` where colours may be used; as it is elsewhere.
    package func paint(_ text: String, _ styles: [Style]) -> String {
        guard isColored, !styles.isEmpty, !text.isEmpty else { return text }
        return "\u{1b}[\(styles.map(\.rawValue).joined(separator: ";"))m\(text)\u{1b}[0m"
    }

    /// `text` with everything made visible that could command a terminal; as it is when this is none.
    package func safe(_ text: String) -> String { isTerminal ? ControlCharacters.shown(text) : text }
}

/// The parts of ECMA-48's "select graphic rendition" that are used.
package enum Style: String, Sendable, Hashable, CaseIterable {
    case bold = "1"
    case dim = "2"
    case red = "31"
    case green = "32"
    case yellow = "33"
    case blue = "34"
    case magenta = "35"
    case cyan = "36"
}

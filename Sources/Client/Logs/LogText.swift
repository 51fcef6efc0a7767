import Contract

/// Log lines for people: `2026-01-31T12:00:00.000Z r3/1a2b3c4d5e6f stdout message`, shorter and coloured by instance on a terminal.
package struct LogText: Sendable {
    private static let palette: [Style] = [.cyan, .green, .yellow, .magenta, .blue]
    private let terminal: Terminal
    private var styles: [String: Style] = [:]

    /// Lines for `terminal`.
    package init(terminal: Terminal) { self.terminal = terminal }

    /// One line, with a line break.
    package mutating func line(_ line: LogLine) -> String {
        guard terminal.isTerminal || terminal.isColored else {
            return "\(line.time) r\(line.revision)/\(line.instance) \(line.stream) \(line.message)\n"
        }
        let time = terminal.paint(String(line.time.description.dropFirst(11).dropLast()), .dim)
        let instance = terminal.paint("r\(line.revision)/\(line.instance.prefix(6))", style(of: line.instance))
        let message = terminal.safe(line.message)
        let styles: [Style] = line.stream == "stderr" ? [.red] : line.stream == "kiln" ? [.yellow] : []
        return "\(time) \(instance) \(terminal.paint(message, styles))\n"
    }

    private mutating func style(of instance: String) -> Style {
        if let style = styles[instance] { return style }
        let style = Self.palette[styles.count % Self.palette.count]
        styles[instance] = style
        return style
    }
}

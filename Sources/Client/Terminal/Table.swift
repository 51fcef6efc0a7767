/// Rows under headings, aligned by what a terminal shows.
package struct Table: Sendable {
    /// One column.
    package struct Column: Sendable {
        /// The heading.
        let title: String
        /// Whether it holds numbers, which stand at the right.
        let isNumeric: Bool
        /// The fewest columns it may be cut to when a terminal is too narrow; `nil` keeps it whole.
        let shortest: Int?

        /// A column under `title`.
        package init(_ title: String, isNumeric: Bool = false, shortest: Int? = nil) {
            self.title = title
            self.isNumeric = isNumeric
            self.shortest = shortest
        }
    }

    /// One field of a row.
    package struct Cell: Sendable, ExpressibleByStringInterpolation {
        let text: String
        let styles: [Style]

        /// Text that others may have written; line breaks become spaces.
        package init(_ text: String, _ styles: Style...) {
            self.text = String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 })
            self.styles = styles
        }

        package init(stringLiteral value: String) { self.init(value) }
    }

    private static let gap = 2
    private let columns: [Column]
    private var rows: [[Cell]] = []

    /// An empty table.
    package init(_ columns: [Column]) { self.columns = columns }

    /// Adds a row with a cell for each column.
    package mutating func add(_ cells: [Cell]) { rows.append(cells) }

    /// Whether it has no rows.
    package var isEmpty: Bool { rows.isEmpty }

    /// The lines to print on `terminal`, the headings first. Only a real terminal gets cut ones.
    package func lines(on terminal: Terminal) -> [String] {
        let texts = rows.map { $0.map { terminal.safe($0.text) } }
        var widths = columns.map { TextWidth.columns(of: $0.title) }
        for row in texts {
            for (index, text) in row.enumerated() { widths[index] = max(widths[index], TextWidth.columns(of: text)) }
        }
        if let limit = terminal.width { shrink(&widths, to: limit) }
        let heading = line(columns.map(\.title), columns.map { _ in [.bold] }, widths, terminal)
        return [heading] + zip(texts, rows).map { line($0, $1.map(\.styles), widths, terminal) }
    }

    /// Takes columns from the last one that may give some, then from the one before.
    private func shrink(_ widths: inout [Int], to limit: Int) {
        var excess = widths.reduce(0, +) + Self.gap * (widths.count - 1) - limit
        for index in columns.indices.reversed() where excess > 0 {
            guard let shortest = columns[index].shortest, widths[index] > shortest else { continue }
            let taken = min(excess, widths[index] - shortest)
            widths[index] -= taken
            excess -= taken
        }
    }

    private func line(_ texts: [String], _ styles: [[Style]], _ widths: [Int], _ terminal: Terminal) -> String {
        var result = ""
        var room = terminal.width ?? .max
        for (index, text) in texts.enumerated() {
            guard room > 0 else { break }
            let cut = TextWidth.cut(text, to: min(widths[index], room))
            let padding = String(repeating: " ", count: max(0, widths[index] - TextWidth.columns(of: cut)))
            let painted = terminal.paint(cut, styles[index])
            let isLast = index == texts.count - 1
            result += columns[index].isNumeric ? padding + painted : painted + (isLast ? "" : padding)
            if !isLast { result += String(repeating: " ", count: Self.gap) }
            room -= widths[index] + Self.gap
        }
        while result.last == " " { result.removeLast() }
        return result
    }
}

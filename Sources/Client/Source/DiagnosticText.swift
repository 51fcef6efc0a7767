import Contract

/// Where the text of diagnostics' files is, and how the person at the keyboard knows them.
package struct SourceExcerpts: Sendable {
    private let name: @Sendable (String) -> String
    private let text: @Sendable (String) -> String?

    /// Knows no source: diagnostics are shown under the names they come with, without their lines.
    package init() { self.init(name: { $0 }, text: { _ in nil }) }

    /// `name` gives the local name of a file in a diagnostic, `text` its text as it was sent.
    package init(name: @escaping @Sendable (String) -> String, text: @escaping @Sendable (String) -> String?) {
        self.name = name
        self.text = text
    }

    func localName(_ file: String) -> String { name(file) }

    /// Line `number` of `file`, from 1.
    func line(_ number: Int, of file: String) -> String? {
        guard number > 0, let text = text(file) else { return nil }
        let lines = text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" || $0 == "\r" }
        return number <= lines.count ? String(lines[number - 1]) : nil
    }
}

/// Diagnostics as compilers print them: `hello.ts:3:7: error TS2322: …`, the source line, and a caret.
package struct DiagnosticText: Sendable {
    /// The longest source line shown where no terminal limits it, in columns.
    private static let longestLine = 160

    private let terminal: Terminal
    private let excerpts: SourceExcerpts

    /// Diagnostics for `terminal`.
    package init(terminal: Terminal, excerpts: SourceExcerpts) {
        self.terminal = terminal
        self.excerpts = excerpts
    }

    /// The lines for all of `diagnostics`.
    package func lines(_ diagnostics: [Problem.Diagnostic]) -> [String] { diagnostics.flatMap(lines) }

    private func lines(_ found: Problem.Diagnostic) -> [String] {
        let place = [excerpts.localName(found.file), found.line.map(String.init), found.column.map(String.init)]
            .compactMap(\.self).joined(separator: ":")
        let message = found.message.split(whereSeparator: \.isNewline).map { terminal.safe(String($0)) }
        let error = terminal.paint("error \(terminal.safe(found.code)):", .bold, .red)
        var lines = ["\(terminal.paint(terminal.safe(place), .bold)): \(error) \(message.first ?? "")"]
        lines += message.dropFirst().map { "  " + $0 }
        if let number = found.line, let source = excerpts.line(number, of: found.file) {
            lines += excerpt(source, number, column: found.column)
        }
        return lines
    }

    private func excerpt(_ source: String, _ number: Int, column: Int?) -> [String] {
        let gutter = String(number)
        let bar = terminal.paint("|", .blue)
        let room = max(20, (terminal.width ?? Self.longestLine) - gutter.count - 4)
        let before = column.map { shown(String(source.unicodeScalars.prefix(max(0, $0 - 1)))) }
        let (text, caret) = window(shown(source), around: before.map { TextWidth.columns(of: $0) }, room)
        var lines = ["\(terminal.paint(gutter, .blue)) \(bar) \(text)"]
        if let caret {
            let space = String(repeating: " ", count: caret)
            lines.append(
                "\(String(repeating: " ", count: gutter.count)) \(bar) \(space)\(terminal.paint("^", .bold, .red))")
        }
        return lines
    }

    private func shown(_ source: String) -> String {
        ControlCharacters.shown(
            source.split(separator: "\t", omittingEmptySubsequences: false).joined(separator: "    "))
    }

    /// At most `room` columns of `line` with the column `caret` among them, and where that is then.
    private func window(_ line: String, around caret: Int?, _ room: Int) -> (String, Int?) {
        guard TextWidth.columns(of: line) > room else { return (line, caret) }
        guard let caret, caret >= room * 3 / 4 else { return (TextWidth.cut(line, to: room), caret) }
        var skipped = 0
        var rest = Substring(line)
        while let first = rest.first, skipped < caret - room / 2 {
            skipped += TextWidth.columns(of: first)
            rest.removeFirst()
        }
        return ("…" + TextWidth.cut(String(rest), to: room - 1), caret - skipped + 1)
    }
}

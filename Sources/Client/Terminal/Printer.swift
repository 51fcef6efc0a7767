import Contract

/// What a client command prints with: answers on standard output, everything else on standard error.
package struct Printer: Sendable {
    /// Whether answers are JSON documents: the flag `--json`.
    package let isJSON: Bool
    /// Standard output.
    package let output: Terminal
    /// Standard error.
    package let error: Terminal

    /// A printer to the two streams.
    package init(isJSON: Bool, output: Terminal, error: Terminal) {
        self.isJSON = isJSON
        self.output = output
        self.error = error
    }

    /// One line of an answer for people.
    package func line(_ text: String) { StandardStream.output.write(text + "\n") }

    /// Several lines of an answer for people, in one go.
    package func lines(_ lines: [String]) {
        guard !lines.isEmpty else { return }
        StandardStream.output.write(lines.joined(separator: "\n") + "\n")
    }

    /// A table; nothing but its headings when it is empty.
    package func table(_ table: Table) { lines(table.lines(on: output)) }

    /// An answer for programs: one JSON document on one line, keys sorted.
    package func document(_ document: JSONValue) { line(document.text) }

    /// Something worth knowing beside the answer, on a terminal only: standard error of a script stays for what went wrong.
    package func note(_ text: String) {
        guard error.isTerminal else { return }
        StandardStream.error.write(error.paint(error.safe(text), .dim) + "\n")
    }

    /// Something that was not as it should be, though the command goes on.
    package func warn(_ text: String) {
        StandardStream.error.write("kiln: " + error.paint("warning: ", .yellow) + error.safe(text) + "\n")
    }

    /// Why a command failed: with `--json` a problem document on standard output, else sentences on standard error, and
    /// what a build found as a compiler prints it.
    package func fail(_ failure: ClientError, showing excerpts: SourceExcerpts = SourceExcerpts()) {
        if isJSON {
            document(failure.document)
            return
        }
        let diagnostics = failure.problem?.diagnostics ?? []
        var lines = DiagnosticText(terminal: error, excerpts: excerpts).lines(diagnostics)
        for line in failure.problem?.logs ?? [] { lines.append("  " + error.paint("| ", .dim) + error.safe(line)) }
        let sentence = diagnostics.isEmpty ? failure.message : failure.heading(diagnostics.count)
        lines.append("kiln: " + error.paint(error.safe(sentence), .red))
        StandardStream.error.write(lines.joined(separator: "\n") + "\n")
    }
}

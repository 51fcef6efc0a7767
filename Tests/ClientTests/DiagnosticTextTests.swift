import Client
import Contract
import Testing

/// Diagnostics look like a compiler's.
@Suite struct DiagnosticTextTests {
    private func lines(
        _ source: String, _ diagnostic: Problem.Diagnostic, width: Int? = nil, isColored: Bool = false
    ) -> [String] {
        let excerpts = SourceExcerpts(name: { $0 == "main.ts" ? "src/hello.ts" : $0 }, text: { _ in source })
        return DiagnosticText(terminal: Terminal(width: width, isColored: isColored), excerpts: excerpts).lines([
            diagnostic
        ])
    }

    @Test func `a finding names the local file, shows its line and points at the column`() {
        let source = "const a = 1;\r\nconst n: number = \"x\";\n"
        let found = Problem.Diagnostic(
            file: "main.ts", line: 2, column: 7, code: "TS2322",
            message: "Type 'string' is not assignable to type 'number'.")
        #expect(
            lines(source, found) == [
                "src/hello.ts:2:7: error TS2322: Type 'string' is not assignable to type 'number'.",
                "2 | const n: number = \"x\";", "  |       ^",
            ])
    }

    @Test(arguments: [("\tlet x;", 6, "        ^"), ("日本 x", 4, "     ^"), ("e\u{301}x", 3, " ^"), ("👍x", 2, "  ^")])
    func `the caret stands under its character`(source: String, column: Int, caret: String) {
        let found = Problem.Diagnostic(file: "main.ts", line: 1, column: column, code: "x", message: "m")
        #expect(lines(source, found).last == "  | " + caret)
    }

    @Test func `messages of several lines are indented, and a finding without a place is only a message`() {
        let found = Problem.Diagnostic(file: "main.ts", code: "no-handler", message: "There is none.\nExport one.")
        #expect(lines("x", found) == ["src/hello.ts: error no-handler: There is none.", "  Export one."])
    }

    @Test(arguments: [0, -1, 3, 1_000_000])
    func `a line that the source does not have is not shown`(line: Int) {
        let found = Problem.Diagnostic(file: "main.ts", line: line, column: 1, code: "x", message: "m")
        #expect(lines("a\nb", found).count == 1)
    }

    @Test(arguments: [1, 50, 5000, 9999, 20_000])
    func `of a very long line the part around the column is shown`(column: Int) {
        let source = String(repeating: "abcdefghij", count: 1000)
        let found = Problem.Diagnostic(file: "main.ts", line: 1, column: column, code: "x", message: "m")
        let shown = lines(source, found, width: 60)
        #expect(shown.count == 3)
        #expect(shown[1...].allSatisfy { TextWidth.columns(of: $0) <= 60 })
        if column <= source.count {
            let index = shown[2].count - 1
            let pointed = Array(shown[1])[index]
            #expect(pointed == Array(source)[column - 1])
        }
    }

    @Test func `what a message or source would do to a terminal is only shown`() {
        let found = Problem.Diagnostic(file: "main.ts", line: 1, column: 1, code: "x", message: "\u{1b}[2J")
        let shown = lines("\u{1b}]0;x\u{7}", found, width: 80)
        #expect(!shown.joined().contains("\u{1b}"))
        #expect(lines("a", found, width: 80, isColored: true)[0].contains("\u{1b}[1;31merror x:"))
    }
}

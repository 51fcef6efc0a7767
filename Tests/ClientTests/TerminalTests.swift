import Client
import Contract
import Testing

/// What people see: widths, tables, colours, and what must not reach a terminal.
@Suite struct TerminalTests {
    private let pipe = Terminal(width: nil, isColored: false)

    @Test(arguments: [
        ("hello", 5), ("日本語", 6), ("한글", 4), ("ｆｕｌｌ", 8), ("é", 1), ("e\u{301}", 1), ("👍", 2), ("👩‍💻", 2), ("❤️", 2),
        ("🇩🇪", 2), ("\u{200B}", 0), ("…", 1), ("⠋", 1), ("", 0), ("a\tb", 2),
    ])
    func `text takes as many columns as a terminal shows`(text: String, columns: Int) {
        #expect(TextWidth.columns(of: text) == columns)
    }

    @Test(arguments: [("hello", 5, "hello"), ("hello", 4, "hel…"), ("日本語", 5, "日本…"), ("日本語", 4, "日…"), ("ab", 0, "")])
    func `cut text ends in an ellipsis and is never too wide`(text: String, columns: Int, cut: String) {
        #expect(TextWidth.cut(text, to: columns) == cut)
        #expect(TextWidth.columns(of: TextWidth.cut(text, to: columns)) <= columns)
    }

    private func table() -> Table {
        var table = Table([.init("NAME", shortest: 4), .init("COUNT", isNumeric: true), .init("URL", shortest: 6)])
        table.add(["hello", "7", "http://127.0.0.1:8080/fn/hello"])
        table.add(["日本", "1234567", .init("x", .dim)])
        return table
    }

    @Test func `a table is aligned by width, numbers at the right, and whole in a pipe`() {
        #expect(
            table().lines(on: pipe) == [
                "NAME     COUNT  URL", "hello        7  http://127.0.0.1:8080/fn/hello", "日本   1234567  x",
            ])
    }

    @Test(arguments: [20, 26, 30, 40, 44, 80])
    func `a table on a terminal is never wider than the terminal`(width: Int) {
        for line in table().lines(on: Terminal(width: width, isColored: false)) {
            #expect(TextWidth.columns(of: line) <= width, "\(line)")
        }
    }

    @Test func `the last columns are cut before the first`() {
        let lines = table().lines(on: Terminal(width: 30, isColored: false))
        #expect(lines[1] == "hello        7  http://127.0.…")
    }

    @Test func `line breaks and commands to the terminal in a cell stay in the cell`() {
        var table = Table([.init("A")])
        table.add([.init("x\ny\u{1b}[31mz")])
        #expect(table.lines(on: Terminal(width: 80, isColored: false))[1] == "x y^[[31mz")
        #expect(table.lines(on: pipe).count == 2)
    }

    @Test func `colours are written only where they may be`() {
        #expect(pipe.paint("x", .red) == "x")
        #expect(Terminal(width: 80, isColored: true).paint("x", .bold, .red) == "\u{1b}[1;31mx\u{1b}[0m")
    }

    @Test(arguments: [
        (ColorChoice.always, [String: String](), true), (.always, ["NO_COLOR": "1"], true), (.never, [:], false),
        (.auto, [:], false),
    ])
    func `--color decides over NO_COLOR, and auto leaves pipes alone`(
        choice: ColorChoice, environment: [String: String], colored: Bool
    ) {
        // Descriptor -1 is no terminal.
        let terminal = Terminal(descriptor: -1, color: choice) { environment[$0] }
        #expect(terminal.isColored == colored)
        #expect(!terminal.isTerminal)
    }

    @Test(arguments: [
        ("plain\ttext\n", "plain\ttext\n"), ("\u{1b}]0;title\u{7}", "^[]0;title^G"), ("a\rb", "a^Mb"), ("\u{7f}", "^?"),
        ("\u{9b}31m", "<U+9B>31m"), ("abc\u{202e}cba", "abc<U+202E>cba"), ("日本 👩‍💻", "日本 👩‍💻"),
    ])
    func `what commands a terminal is written out`(text: String, shown: String) {
        #expect(ControlCharacters.shown(text) == shown)
        #expect(pipe.safe(text) == text)
        #expect(Terminal(width: 80, isColored: false).safe(text) == shown)
    }

    @Test(arguments: [
        (Int64(0), "0 B"), (1023, "1023 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (256 << 20, "256 MiB"),
        (5 << 40, "5 TiB"),
    ])
    func `bytes are written with binary units`(count: Int64, text: String) { #expect(Amounts.bytes(count) == text) }

    @Test(arguments: [
        (0.42, "0.42 ms"), (6.72, "6.7 ms"), (13.4, "13 ms"), (999.4, "999 ms"), (2400.0, "2.4 s"), (61_000.0, "61 s"),
    ])
    func `durations are short`(milliseconds: Double, text: String) {
        #expect(Amounts.duration(milliseconds: milliseconds) == text)
    }

    @Test(arguments: [
        (0, "0 s ago"), (59, "59 s ago"), (60, "1 min ago"), (7200, "2 h ago"), (200_000, "2 d ago"), (-5, "0 s ago"),
    ])
    func `ages are in the largest unit that says something`(seconds: Int64, text: String) {
        let now = Timestamp(milliseconds: 1_800_000_000_000)
        #expect(Amounts.age(Timestamp(milliseconds: now.milliseconds - seconds * 1000), now: now) == text)
    }
}

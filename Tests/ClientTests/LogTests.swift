import Client
import Contract
import Testing

/// Following a log over several connections.
@Suite struct LogTests {
    private func line(_ milliseconds: Int64, _ message: String, _ instance: String = "a1b2c3d4e5f6") -> LogLine {
        LogLine(
            time: Timestamp(milliseconds: milliseconds), instance: instance, revision: 3, stream: "stdout",
            message: message)
    }

    @Test
    func `lines that come again over a new connection are shown once, and equal ones as often as they were printed`() {
        var memory = LogMemory()
        let tick = line(10_000, "tick")
        let tock = line(10_001, "tock")
        memory.connect()
        #expect(memory.since == nil)
        #expect(taken(by: &memory, [tick, tick, tock]) == [true, true, true])
        #expect(memory.since?.milliseconds == 10_000)
        memory.connect()
        #expect(
            taken(by: &memory, [tick, tick, tick, tock, line(10_002, "tack")]) == [false, false, true, false, true],
            "a third equal line is new")
    }

    private func taken(by memory: inout LogMemory, _ lines: [LogLine]) -> [Bool] {
        lines.map { memory.takes($0) }
    }

    @Test func `a new connection begins a little before the last line, but not before the first that was shown`() {
        var memory = LogMemory()
        _ = taken(by: &memory, [line(5000, "a"), line(90_000, "b"), line(89_000, "late")])
        #expect(memory.since?.milliseconds == 88_000)
    }

    @Test func `the memory is bounded and knows the latest lines`() {
        var memory = LogMemory()
        let lines = (0..<50_000).map { line(Int64($0), "x") }
        #expect(taken(by: &memory, lines).allSatisfy { $0 })
        memory.connect()
        #expect(taken(by: &memory, Array(lines.suffix(2000))).allSatisfy { !$0 })
    }

    @Test func `lines are whole in a pipe, and short and harmless on a terminal`() {
        var plain = LogText(terminal: Terminal(width: nil, isColored: false))
        let entry = line(1_700_000_000_123, "hi \u{1b}[2J")
        #expect(plain.line(entry) == "2023-11-14T22:13:20.123Z r3/a1b2c3d4e5f6 stdout hi \u{1b}[2J\n")
        var terminal = LogText(terminal: Terminal(width: 80, isColored: false))
        #expect(terminal.line(entry) == "22:13:20.123 r3/a1b2c3 hi ^[[2J\n")
    }

    @Test func `each instance has its colour`() {
        var text = LogText(terminal: Terminal(width: 80, isColored: true))
        let first = text.line(line(0, "x", "aaaaaaaaaaaa"))
        let second = text.line(line(0, "x", "bbbbbbbbbbbb"))
        #expect(first.contains("\u{1b}[36mr3/aaaaaa") && second.contains("\u{1b}[32mr3/bbbbbb"))
        #expect(text.line(line(0, "x", "aaaaaaaaaaaa")) == first)
    }
}

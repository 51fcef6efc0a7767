/// What a document says a command prints. `…` stands for anything within a line, and alone on a line for any lines.
struct PromisedOutput {
    let lines: [String]

    /// Whether `output` is what was promised; trailing blanks and a last line break don't count.
    func matches(_ output: String) -> Bool {
        var actual = output.split(separator: "\n", omittingEmptySubsequences: false).map(Self.trimmed)[...]
        while actual.last?.isEmpty == true { actual.removeLast() }
        var promised = lines.map { Self.trimmed($0[...]) }[...]
        while promised.last?.isEmpty == true { promised.removeLast() }
        return Self.match(promised, actual)
    }

    private static func match(_ promised: ArraySlice<String>, _ actual: ArraySlice<String>) -> Bool {
        guard let first = promised.first else { return actual.isEmpty }
        let rest = promised.dropFirst()
        if first == "…" {
            return actual.indices.contains { match(rest, actual[$0...]) } || match(rest, [])
        }
        guard let line = actual.first, matches(line, first) else { return false }
        return match(rest, actual.dropFirst())
    }

    private static func matches(_ line: String, _ pattern: String) -> Bool {
        let pieces = pattern.split(separator: "…", omittingEmptySubsequences: false)
        guard let head = pieces.first, let tail = pieces.last, pieces.count > 1 else { return line == pattern }
        guard line.hasPrefix(head), line.dropFirst(head.count).hasSuffix(tail) else { return false }
        var rest = line.dropFirst(head.count).dropLast(tail.count)
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let range = rest.firstRange(of: piece) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }

    private static func trimmed(_ line: Substring) -> String {
        var line = line
        while line.last == " " || line.last == "\r" { line.removeLast() }
        return String(line)
    }
}

/// The examples of a Markdown document: files to write and commands with the output that the document promises.
struct Document: Equatable {
    /// A fenced block that a test can act on.
    enum Block: Equatable {
        /// ```` ```ts file=hello.ts ````: write this file.
        case file(path: String, text: String)
        /// A command of a ```` ```console ```` block, with the lines that follow it.
        case command(line: Int, text: String, output: [String])
    }

    var blocks: [Block] = []

    /// Reads the fenced blocks of `markdown`; any other fence is for people only.
    init(_ markdown: String) {
        var fence: (info: Substring, first: Int, indent: Int)?
        var lines: [Substring] = []
        for (index, line) in markdown.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let text = line.drop { $0 == " " }
            if let open = fence {
                if text == "```" {
                    add(open.info, open.first, lines)
                    fence = nil
                } else {
                    lines.append(line.dropFirst(min(open.indent, line.count - text.count)))
                }
            } else if text.hasPrefix("```") {
                fence = (text.dropFirst(3), index + 2, line.count - text.count)
                lines = []
            }
        }
    }

    private mutating func add(_ info: Substring, _ first: Int, _ lines: [Substring]) {
        let words = info.split(separator: " ")
        if let path = words.compactMap({ $0.hasPrefix("file=") ? $0.dropFirst(5) : nil }).first {
            blocks.append(.file(path: String(path), text: lines.map { $0 + "\n" }.joined()))
        } else if words.first == "console" {
            addCommands(lines, first)
        }
    }

    private mutating func addCommands(_ lines: [Substring], _ first: Int) {
        var command: (line: Int, text: String, output: [String])?
        var isOpen = false
        for (offset, line) in lines.enumerated() {
            if isOpen {
                command?.text += "\n" + line
            } else if line.hasPrefix("$ ") {
                if let command {
                    blocks.append(.command(line: command.line, text: command.text, output: command.output))
                }
                command = (first + offset, String(line.dropFirst(2)), [])
            } else {
                command?.output.append(String(line))
                continue
            }
            isOpen = command?.text.hasSuffix("\\") == true
        }
        if let command { blocks.append(.command(line: command.line, text: command.text, output: command.output)) }
    }
}

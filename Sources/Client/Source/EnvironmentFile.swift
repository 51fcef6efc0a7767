import Contract

/// A file of `NAME=VALUE` lines: the option `--env-file`.
package enum EnvironmentFile {
    /// The variables in the file at `path`, in order.
    package static func read(_ path: String) throws(ClientError) -> [(name: String, value: String)] {
        try parse(String(decoding: SourceFile.read(path), as: UTF8.self), path: path)
    }

    /// The variables in `text`. Empty lines and those that begin with `#` count for nothing, `export ` before a name neither. A value in
    /// single quotes is taken as it stands, in double quotes `\n`, `\t`, `\"` and `\\` mean what they do in JavaScript; without quotes it
    /// ends before white space at the line's end. Throws `usage` with the line's number.
    package static func parse(_ text: String, path: String) throws(ClientError) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            var rest = trimmed(line)
            if rest.isEmpty || rest.hasPrefix("#") { continue }
            if rest.hasPrefix("export ") { rest = trimmed(rest.dropFirst(7)) }
            guard let equals = rest.firstIndex(of: "=") else {
                throw ClientError(.usage, "\(path):\(index + 1): write NAME=VALUE.")
            }
            let name = String(trimmed(rest[..<equals]))
            if let problem = EnvironmentName.problem(with: name) {
                throw ClientError(.usage, "\(path):\(index + 1): '\(name)' cannot be a variable's name: \(problem).")
            }
            guard let value = value(trimmed(rest[rest.index(after: equals)...])) else {
                throw ClientError(.usage, "\(path):\(index + 1): the quotes of \(name)'s value do not end.")
            }
            found.append((name, value))
        }
        return found
    }

    private static func value(_ text: Substring) -> String? {
        guard let quote = text.first, quote == "\"" || quote == "'" else { return String(text) }
        guard text.count >= 2, text.last == quote else { return nil }
        let inner = text.dropFirst().dropLast()
        guard quote == "\"" else { return String(inner) }
        var result = ""
        var escaped = false
        for character in inner {
            if escaped {
                result.append(character == "n" ? "\n" : character == "t" ? "\t" : character)
                escaped = false
            } else if character == "\\" {
                escaped = true
            } else {
                result.append(character)
            }
        }
        return escaped ? nil : result
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop { $0 == " " || $0 == "\t" }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}

import Contract

/// Finds the name of a function from where its source is.
package enum FunctionNaming {
    /// Files that say nothing of what they are: the function is called after their directory.
    private static let nameless: Set = ["main", "index", "mod"]

    /// The name for the file or directory at the absolute `path`: its own without extension, in lower case, with `-` for everything
    /// else. A file called `main`, `index` or `mod` takes its directory's. Throws `usage` when no function may be called so.
    package static func name(ofPath path: String) throws(ClientError) -> FunctionName {
        let parts = path.split(separator: "/").map(String.init)
        var stem = parts.last ?? ""
        if let dot = stem.firstIndex(of: "."), dot != stem.startIndex { stem = String(stem[..<dot]) }
        if nameless.contains(stem), parts.count > 1 { stem = parts[parts.count - 2] }
        let label = label(stem)
        do {
            return try FunctionName(label)
        } catch {
            throw ClientError(
                .usage,
                "No function can be named after '\(parts.last ?? path)': \(error.reason). Give it a name with --name.")
        }
    }

    /// A name that the person wrote; throws `usage` when it is none.
    package static func name(_ text: String) throws(ClientError) -> FunctionName {
        do {
            return try FunctionName(text)
        } catch {
            throw ClientError(.usage, error.description)
        }
    }

    private static func label(_ stem: String) -> String {
        var result = ""
        for character in stem.lowercased() {
            let isPlain = character.isASCII && (character.isLetter || character.isNumber)
            if isPlain {
                result.append(character)
            } else if !result.isEmpty, result.last != "-" {
                result.append("-")
            }
        }
        while result.last == "-" { result.removeLast() }
        return result
    }
}

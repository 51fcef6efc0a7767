import Contract

/// The name of an archive's entry, as a path that is safe below any directory.
struct ArchivePath {
    /// Its parts; none for the archive's root itself.
    let parts: [String]

    /// The path that an entry calls itself; throws a 400 or 413 ``Contract/Problem`` for one that cannot be taken.
    init(_ text: String, _ limits: ArchiveLimits) throws(Problem) {
        guard !text.hasPrefix("/") else { throw Self.refusal(text, "it is absolute") }
        guard !text.unicodeScalars.contains(where: { $0.value < 32 || $0.value == 127 || $0 == "\\" }) else {
            throw Self.refusal(text, "it has a control character or a backslash in its name")
        }
        let parts = text.split(separator: "/").filter { $0 != "." }
        guard !parts.contains("..") else { throw Self.refusal(text, "it has '..' in its path") }
        guard !parts.contains(where: { $0.hasPrefix(".wh.") }) else {
            throw Self.refusal(text, "'.wh.' begins the mark of a removed file in an image")
        }
        guard text.utf8.count <= limits.pathBytes, parts.allSatisfy({ $0.utf8.count <= 255 }) else {
            throw ArchiveProblem.tooLarge(
                "The path '\(ArchiveProblem.shown(text))' is longer than \(limits.pathBytes) bytes, or a name in it than 255.",
                "--max-archive-path")
        }
        guard parts.count <= limits.depth + 1 else {
            throw ArchiveProblem.tooLarge(
                "'\(ArchiveProblem.shown(text))' is in more than \(limits.depth) directories.", "--max-archive-depth")
        }
        self.parts = parts.map(String.init)
    }

    private static func refusal(_ path: String, _ why: String) -> Problem {
        ArchiveProblem.invalid("'\(ArchiveProblem.shown(path))' is refused: \(why).")
    }
}

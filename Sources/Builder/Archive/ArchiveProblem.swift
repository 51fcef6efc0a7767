import Contract

/// The answers to archives that cannot be taken.
enum ArchiveProblem {
    /// The archive is damaged or has something in it that no function has.
    static func invalid(_ sentence: String) -> Problem {
        Problem("invalid-archive", 400, "The archive cannot be taken", sentence)
    }

    /// The archive is too large; `flag` is what the operator can raise.
    static func tooLarge(_ sentence: String, _ flag: String) -> Problem {
        Problem(
            "archive-too-large", 413, "The archive is too large",
            "\(sentence) Leave files out; the operator can raise the limit with \(flag).")
    }

    /// No file handles requests; `files` are those there are.
    static func noEntry(_ sentence: String, _ files: [String]) -> Problem {
        let modules = files.filter { EntryModule.isModule($0) && !$0.hasSuffix(".d.ts") }
        let listed = modules.isEmpty ? files : modules
        let most = 20
        let rest = listed.count > most ? " and \(listed.count - most) more" : ""
        return Problem(
            "no-entry", 422, "No entry",
            "\(sentence) \(modules.isEmpty ? "Files" : "Modules") in the archive: "
                + listed.prefix(most).map(shown).joined(separator: ", ") + "\(rest).")
    }

    /// A name that somebody sent, for a sentence.
    static func shown(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.prefix(200).map { $0.properties.generalCategory == .control ? "?" : $0 }))
    }
}

import Glibc

/// Which files of a directory are left at home: hidden ones, `node_modules`, and what a `.kilnignore` names.
struct IgnoreRules: Sendable {
    /// The file with further patterns, in the directory that is deployed.
    static let file = ".kilnignore"

    private let patterns: [String]

    /// The rules in the text of a `.kilnignore`: a pattern of `*`, `?` and `[…]` on each line (fnmatch(3)), `#` begins a comment. A
    /// pattern with a `/` is compared with the path from the directory on, one without with each name.
    init(_ text: String) {
        patterns = text.split(whereSeparator: \.isNewline).compactMap { line in
            var pattern = line.drop { $0 == " " || $0 == "\t" }
            while let last = pattern.last, last == " " || last == "\t" || last == "/" { pattern.removeLast() }
            return pattern.isEmpty || pattern.hasPrefix("#") ? nil : String(pattern)
        }
    }

    /// Whether the entry `path`, relative to the directory, stays at home.
    func leavesOut(_ path: String) -> Bool {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        if name.hasPrefix(".") || name == "node_modules" { return true }
        return patterns.contains { pattern in
            pattern.contains("/")
                ? fnmatch(pattern.hasPrefix("/") ? String(pattern.dropFirst()) : pattern, path, FNM_PATHNAME) == 0
                : fnmatch(pattern, name, 0) == 0
        }
    }
}

/// Which of a function's files handles requests, when nobody says so.
package enum EntryModule {
    /// The names that are looked for, the first one first, each with every one of ``extensions``.
    package static let stems = ["main", "index", "mod", "server"]
    /// What a module's name may end in, the first one first.
    package static let extensions = ["ts", "tsx", "mts", "js", "jsx", "mjs"]

    /// The entry among files at the top of a directory; `has` tells whether there is one of a name.
    package static func usual(_ has: (String) -> Bool) -> String? {
        for stem in stems {
            for suffix in extensions where has("\(stem).\(suffix)") { return "\(stem).\(suffix)" }
        }
        return nil
    }

    /// Whether a file's name is that of a module that can be an entry.
    package static func isModule(_ path: String) -> Bool {
        extensions.contains { path.hasSuffix("." + $0) }
    }
}

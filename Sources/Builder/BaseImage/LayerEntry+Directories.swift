import OCI

extension LayerEntry {
    /// The directories in which `entries` are, each once, with the usual mode.
    static func directories(of entries: some Sequence<LayerEntry>) -> [LayerEntry] {
        directories(above: entries.lazy.map(\.path)).sorted().map { .directory($0) }
    }

    /// The paths of the directories that lead to `paths`.
    static func directories(above paths: some Sequence<String>) -> Set<String> {
        var found: Set<String> = []
        for path in paths {
            var parent = path[...]
            while let slash = parent.lastIndex(of: "/") {
                parent = parent[..<slash]
                guard found.insert(String(parent)).inserted else { break }
            }
        }
        return found
    }
}

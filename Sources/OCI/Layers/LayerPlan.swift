/// A layer's entries, checked and in the order they are written: by path, so that a directory precedes what it holds.
struct LayerPlan {
    let entries: [LayerEntry]

    init(_ entries: [LayerEntry]) throws(OCIError) {
        let sorted = entries.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
        var directories: Set<String> = []
        var last: String?
        for entry in sorted {
            try Self.check(entry)
            guard entry.path != last else { throw Self.refusal(entry.path, "it stands there twice") }
            if let slash = entry.path.lastIndex(of: "/") {
                let parent = String(entry.path[..<slash])
                guard directories.contains(parent) else {
                    throw Self.refusal(entry.path, "'\(parent)' is not among the entries as a directory, with its mode")
                }
            }
            if entry.kind == .directory { directories.insert(entry.path) }
            last = entry.path
        }
        self.entries = sorted
    }

    private static func check(_ entry: LayerEntry) throws(OCIError) {
        let path = entry.path
        guard !path.isEmpty, path.utf8.count <= 4096 else { throw refusal(path, "a path has 1 to 4096 bytes") }
        guard !path.utf8.contains(0) else { throw refusal(path, "it has a NUL") }
        for component in path.split(separator: "/", omittingEmptySubsequences: false) {
            switch component {
            case "": throw refusal(path, "it is absolute, ends in '/' or has an empty part")
            case ".", "..": throw refusal(path, "'\(component)' is no name")
            default:
                guard component.utf8.count <= 255 else { throw refusal(path, "a part of it has more than 255 bytes") }
                guard !component.hasPrefix(".wh.") else {
                    throw refusal(path, "'.wh.' begins the mark of a removed file (OCI image-spec, layer.md)")
                }
            }
        }
        guard entry.mode <= 0o7777 else {
            throw refusal(path, "the mode \(String(entry.mode, radix: 8)) has more than permission bits")
        }
        guard (0...maximumID).contains(entry.uid), (0...maximumID).contains(entry.gid) else {
            throw refusal(path, "owner and group are numbers from 0 to \(maximumID)")
        }
        if case .symlink(let target) = entry.kind, target.isEmpty || target.utf8.contains(0) || target.utf8.count > 4096
        {
            throw refusal(path, "a link's target has 1 to 4096 bytes and no NUL")
        }
    }

    /// The largest id that a ustar header can say; with larger ones the tar would need extensions that not everything
    /// reads.
    private static let maximumID = 0o7777777

    private static func refusal(_ path: String, _ reason: String) -> OCIError {
        OCIError(.invalidEntry, "'\(path.prefix(300))' cannot be in a layer: \(reason).")
    }
}

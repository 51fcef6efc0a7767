import Contract
import OCI

/// The files of an archive while it is read, and the tree that they make.
struct ArchiveFiles {
    private let limits: ArchiveLimits
    private var files: [String: BlobContent] = [:]
    /// Where contents go: those that the checker reads into memory, the others as far as there are few of them.
    private var modules = SpoolWriter(nil, memory: 0)
    private var assets: SpoolWriter
    private var directories: Set<String> = []
    private var entries = 0
    private var bytes = 0
    /// The entry that was read last.
    private(set) var last: String?

    init(_ limits: ArchiveLimits, spool: SpoolDirectory?) {
        self.limits = limits
        assets = SpoolWriter(spool, memory: 4 << 20)
    }

    /// Takes the next entry; throws a ``Contract/Problem`` that names it when it cannot be taken.
    mutating func take(_ header: TarWalk.Header, _ content: TarWalk.Content) throws {
        last = header.path
        let shown = ArchiveProblem.shown(header.path)
        entries += 1
        guard entries <= limits.entries else {
            throw ArchiveProblem.tooLarge(
                "The archive has more than \(limits.entries) entries; the next one is '\(shown)'.",
                "--max-archive-files")
        }
        let path = try ArchivePath(header.path, limits)
        let name = path.parts.joined(separator: "/")
        switch header.kind {
        case .directory:
            guard note(directories: path.parts[...]) else { throw Self.twice(shown) }
        case .link:
            throw ArchiveProblem.invalid(
                "'\(shown)' is a link, and links are not taken: pack what it leads to (tar --dereference "
                    + "--hard-dereference).")
        case .other: throw ArchiveProblem.invalid("'\(shown)' is neither a file nor a directory: leave it out.")
        case .sparse:
            throw ArchiveProblem.invalid("'\(shown)' is packed as a sparse file: pack it without tar's --sparse.")
        case .file(let size):
            guard !path.parts.isEmpty else { throw ArchiveProblem.invalid("A file in the archive has no name.") }
            guard size <= limits.fileBytes else {
                throw ArchiveProblem.tooLarge(
                    "'\(shown)' has \(size) bytes; \(limits.fileBytes) are allowed.", "--max-archive-file")
            }
            bytes += size
            guard bytes <= limits.bytes else {
                throw ArchiveProblem.tooLarge(
                    "The files up to '\(shown)' have more than \(limits.bytes) bytes.", "--max-archive-bytes")
            }
            // Names that differ only in how their characters are composed are equal here, and one to many a file system.
            guard files[name] == nil, !directories.contains(name), note(directories: path.parts.dropLast()) else {
                throw Self.twice(shown)
            }
            files[name] = try FileTree.isRead(name) ? content(&modules) : content(&assets)
        }
    }

    /// Remembers a directory and those that it is in; `false` when a file has one of their names.
    private mutating func note(directories parts: ArraySlice<String>) -> Bool {
        var parts = parts
        while !parts.isEmpty {
            let path = parts.joined(separator: "/")
            guard files[path] == nil else { return false }
            guard directories.insert(path).inserted else { return true }
            parts = parts.dropLast()
        }
        return true
    }

    private static func twice(_ shown: String) -> Problem {
        ArchiveProblem.invalid(
            "'\(shown)' is in the archive twice, or as a file and as a directory (names that only look alike count as one)."
        )
    }

    /// The files with the module `wanted` as their entry, or else the one of a usual name. When all of them are in one
    /// directory, as `tar czf x.tgz DIR` makes it, their paths begin below it; unless `wanted` is there as it is written.
    func tree(entry wanted: String?) throws(Problem) -> FileTree {
        guard !files.isEmpty else { throw ArchiveProblem.invalid("The archive has no files.") }
        let asked = wanted?.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
        if let asked, files[asked] != nil { return try chosen(asked, files) }
        let tops = Set(files.keys.map { $0.prefix { $0 != "/" } })
        var found = files
        if let top = tops.first, tops.count == 1, files[String(top)] == nil {
            found = [:]
            for (path, content) in files { found[String(path.dropFirst(top.count + 1))] = content }
        }
        let paths = found.keys.sorted()
        if let asked {
            guard found[asked] != nil else {
                throw ArchiveProblem.noEntry(
                    "There is no file '\(ArchiveProblem.shown(asked))' in the archive, which entry= names.", paths)
            }
            return try chosen(asked, found)
        }
        guard let usual = EntryModule.usual({ found[$0] != nil }) else {
            throw ArchiveProblem.noEntry(
                "The archive has no main.ts, index.ts, mod.ts or server.ts (or .tsx, .mts, .js, .jsx, .mjs) at its top: "
                    + "name the module that handles requests with entry=FILE.", paths)
        }
        return try chosen(usual, found)
    }

    private func chosen(_ entry: String, _ files: [String: BlobContent]) throws(Problem) -> FileTree {
        guard EntryModule.isModule(entry), !entry.hasSuffix(".d.ts") else {
            throw ArchiveProblem.noEntry(
                "'\(ArchiveProblem.shown(entry))', which entry= names, is no TypeScript or JavaScript module.",
                files.keys.sorted())
        }
        // As the archive spells it: its name becomes part of paths.
        let spelled = files.keys.first { $0 == entry } ?? entry
        return FileTree(entry: spelled, files: files)
    }
}

import Contract
import FoundationEssentials
import Glibc
import OCI

/// A directory of sources.
struct SourceTree: Sendable {
    /// Most files and bytes that are read: what is more is not a function but, say, a home directory. The platform has its own limits.
    static let mostFiles = 10_000
    static let mostBytes = 256 << 20

    /// The directory.
    let root: String
    /// The files by their paths from the directory on, sorted.
    let files: [(path: String, bytes: [UInt8])]
    /// Symbolic links, sockets and the like, which are left out.
    let skipped: [String]

    /// Reads the directory at `root`.
    init(_ root: String) throws(ClientError) {
        self.root = root
        var files: [(path: String, bytes: [UInt8])] = []
        var skipped: [String] = []
        var total = 0
        try Self.walk(root) { (path, kind) throws(ClientError) in
            guard kind == .file else {
                if kind == .other { skipped.append(path) }
                return
            }
            let bytes = try SourceFile.read(root + "/" + path)
            total += bytes.count
            guard files.count < Self.mostFiles, total <= Self.mostBytes else {
                throw ClientError(
                    .failed,
                    "\(root) has more than \(Self.mostFiles) files or \(Self.mostBytes >> 20) MiB. Deploy a smaller directory, or "
                        + "leave files out with a \(IgnoreRules.file).")
            }
            files.append((path, bytes))
        }
        self.files = files.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
        self.skipped = skipped.sorted()
    }

    /// The entry module: `wanted`, or the first of `main.ts`, `main.tsx`, … that there is.
    func entry(_ wanted: String?) throws(ClientError) -> String {
        let paths = Set(files.map(\.path))
        if let wanted {
            let path = wanted.hasPrefix("./") ? String(wanted.dropFirst(2)) : wanted
            guard paths.contains(path) else {
                throw ClientError(
                    .notFound, "There is no file '\(path)' in \(root) (hidden and ignored files are left out).")
            }
            return path
        }
        if let usual = EntryModule.usual(paths.contains) { return usual }
        throw ClientError(
            .usage,
            "\(root) has no main.ts, index.ts, mod.ts or server.ts. Name the module that handles requests with --entry FILE."
        )
    }

    /// The files as a gzipped tar: the same files give the same bytes.
    func archive() throws(ClientError) -> [UInt8] {
        var directories: Set<String> = []
        for file in files {
            var parts = file.path.split(separator: "/").dropLast()
            while !parts.isEmpty {
                directories.insert(parts.joined(separator: "/"))
                parts = parts.dropLast()
            }
        }
        do {
            let entries =
                directories.map { LayerEntry.directory($0) } + files.map { LayerEntry.file($0.path, $0.bytes) }
            guard case .bytes(let bytes) = try Layer(entries).content else { return [] }
            return bytes
        } catch {
            throw ClientError(.failed, "\(root) cannot be packed: \(error)")
        }
    }

    /// What a directory entry is.
    enum Kind { case directory, file, other }

    /// Shows `visit` everything below `root` that no rule leaves out.
    static func walk(_ root: String, _ visit: (String, Kind) throws(ClientError) -> Void) throws(ClientError) {
        let rules = IgnoreRules(
            (try? SourceFile.read(root + "/" + IgnoreRules.file)).map { String(decoding: $0, as: UTF8.self) } ?? "")
        var waiting = [""]
        while let directory = waiting.popLast() {
            let path = directory.isEmpty ? root : root + "/" + directory
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
                throw SourceFile.unreadable(path)
            }
            for name in names.sorted() {
                let entry = directory.isEmpty ? name : directory + "/" + name
                guard !rules.leavesOut(entry) else { continue }
                var status = stat()
                guard lstat(root + "/" + entry, &status) == 0 else { continue }
                switch status.st_mode & S_IFMT {
                case S_IFDIR:
                    try visit(entry, .directory)
                    waiting.append(entry)
                case S_IFREG: try visit(entry, .file)
                default: try visit(entry, .other)
                }
            }
        }
    }
}

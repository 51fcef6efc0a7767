import OCI

/// What a function is made from, as it was posted.
package enum FunctionSource: Sendable, Hashable {
    /// One module.
    case module([UInt8])
    /// Several files.
    case files(FileTree)
}

/// A function's files: an archive's, below the one directory that it may have around all of them.
package struct FileTree: Sendable, Hashable {
    /// The path of the module that handles requests.
    package let entry: String
    /// Contents by path. Paths are relative, of names without `.` and `..`; no file is in the way of a directory.
    package let files: [String: BlobContent]

    /// The files `files`, of which `entry` is one.
    package init(entry: String, files: [String: BlobContent]) {
        self.entry = entry
        self.files = files
    }

    /// The content of the file `path`, if there is one. Throws when it is on disk and cannot be read.
    func bytes(of path: String) throws(OCIError) -> [UInt8]? { try files[path]?.bytes() }

    /// The paths in the order of their bytes.
    var paths: [String] { files.keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) } }

    /// The directories that the files are in.
    var directories: Set<String> {
        var found: Set<String> = []
        for path in files.keys {
            var parent = path[...]
            while let slash = parent.lastIndex(of: "/") {
                parent = parent[..<slash]
                guard found.insert(String(parent)).inserted else { break }
            }
        }
        return found
    }

    /// Whether any of the files says how the others are meant: the checker may have to say something of that.
    var hasConfiguration: Bool {
        ["deno.json", "deno.jsonc", "deno.lock", "package.json"].contains { files[$0] != nil }
    }

    /// Whether Kiln itself looks at a file's content: what it does not look at may be large.
    static func isRead(_ path: String) -> Bool { isChecked(path) || path == LockSource.path }

    /// Whether the checker has to see a file's content: modules, data that modules import, and `deno.jsonc`.
    static func isChecked(_ path: String) -> Bool {
        [".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".jsonc"].contains(
            where: path.hasSuffix)
    }
}

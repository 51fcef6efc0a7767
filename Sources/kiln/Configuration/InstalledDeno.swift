import FoundationEssentials

/// The deno program that `make install` puts beside this one: `PREFIX/lib/kiln/deno` for `PREFIX/bin/kiln`.
enum InstalledDeno {
    /// Its path, if it is there.
    static var path: String? {
        guard let program = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe") else {
            return nil
        }
        let path =
            URL(filePath: program).deletingLastPathComponent().deletingLastPathComponent().path + "/lib/kiln/deno"
        return FileManager.default.isExecutableFile(atPath: path) ? path : nil
    }
}

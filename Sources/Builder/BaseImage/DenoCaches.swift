/// The databases in which Deno keeps what it makes of modules: analyses, and the code that V8 compiles.
///
/// They are in images as Deno reads them from a file system that it cannot write (`base-image/caches.js`).
enum DenoCaches {
    /// Their names in Deno's directory.
    static let databases = ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"]

    /// The one with compiled code, which is for one kind of processor; what the others say of modules holds for all.
    private static let compiled = "v8_code_cache_v2"

    /// Whether the file at `path` in Deno's directory serves on any processor.
    static func isPortable(_ path: String) -> Bool { !path.hasPrefix(compiled) }

    /// What stands beside a database, empty on purpose.
    static let companions = ["-shm", "-wal"]

    /// Whether an image may have the file `name` with `bytes` in Deno's directory: a database, or what stands beside one.
    static func isExpected(_ name: String, _ bytes: [UInt8]) -> Bool {
        databases.contains(name)
            || bytes.isEmpty
                && databases.contains { database in
                    companions.contains { name == database + $0 }
                }
    }
}

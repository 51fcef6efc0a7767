/// The databases in which Deno keeps what it makes of modules: analyses, and the code that V8 compiles.
///
/// They are in images as Deno reads them from a file system that it cannot write (`base-image/caches.js`).
enum DenoCaches {
    /// Their names in Deno's directory.
    static let databases = ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"]

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

/// What the resolver found, as it came out of the checker's container: read, bounded, and not yet believed.
struct Resolution: Sendable {
    /// A module as Deno keeps it.
    struct File: Sendable {
        /// Its path below `remote`, e.g. `https/jsr.io/<hash>`.
        let path: String
        /// Its content with Deno's notes at the end.
        let bytes: [UInt8]
    }

    /// Why imports could not be resolved.
    struct Fault: Decodable, Sendable {
        enum Kind: String, Decodable, Sendable {
            /// Whoever wrote the import can do something about it.
            case source
            /// Whoever runs the place that it comes from can.
            case outside
            /// It takes more time than there is.
            case slow
            /// It takes more room than there is.
            case large
            /// The function's own lock does not have it.
            case uncovered
            /// It is not what the lock says.
            case mismatch
        }

        /// The place of the import in the list that was asked for.
        let `import`: Int
        let kind: Kind
        let message: String
        /// The URL that could not be had.
        let url: String?
    }

    /// The text of the lock file.
    var lock = ""
    /// Directories of npm packages: `NAME/VERSION`.
    var packages: [String] = []
    /// Modules that are not in packages.
    var files: [File] = []
    /// What Deno made of the modules, below its directory.
    var caches: [File] = []
    /// Why not; when there are any, nothing else counts.
    var faults: [Fault] = []
}

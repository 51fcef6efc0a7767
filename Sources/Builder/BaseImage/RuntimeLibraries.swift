import FoundationEssentials

/// The shared libraries that Deno loads, as they are on this machine.
enum RuntimeLibraries {
    /// What `DT_NEEDED` of the pinned Deno names, and what those need.
    private static let names = [
        "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "librt.so.1",
    ]

    #if arch(x86_64)
        /// The program interpreter that the binary names (System V ABI, `PT_INTERP`): its path is fixed.
        private static let loader = "/lib64/ld-linux-x86-64.so.2"
        static let multiarch = "x86_64-linux-gnu"
    #elseif arch(arm64)
        private static let loader = "/lib/ld-linux-aarch64.so.1"
        static let multiarch = "aarch64-linux-gnu"
    #else
        #error("name this architecture's loader")
    #endif

    /// Where the loader looks by itself: on Debian and its kin in the first two, elsewhere in the others.
    private static let directories = [
        "/lib/\(multiarch)", "/usr/lib/\(multiarch)", "/lib64", "/usr/lib64", "/lib", "/usr/lib",
    ]

    /// Absolute paths at which the files are here and have to be in the image; throws `recipe` when one is missing.
    static func find() throws(BuilderError) -> [String] {
        var found = [loader]
        guard FileManager.default.fileExists(atPath: loader) else { throw missing(loader) }
        for name in names {
            let candidates = directories.map { "\($0)/\(name)" }
            guard let path = candidates.first(where: FileManager.default.fileExists) else { throw missing(name) }
            found.append(path)
        }
        return found
    }

    private static func missing(_ name: String) -> BuilderError {
        BuilderError(
            .recipe, "Deno needs \(name), which is not on this machine. Kiln runs on Linux with glibc 2.34 or newer.")
    }
}

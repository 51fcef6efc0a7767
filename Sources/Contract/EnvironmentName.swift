/// Which names a function's environment variables may have.
package enum EnvironmentName {
    /// What is wrong with `name`, as the end of a sentence; `nil` when it may be used.
    ///
    /// POSIX names (XBD §8.1) of at most 128 characters. Names that change how the runtime or the loader works are refused.
    package static func problem(with name: String) -> String? {
        guard let first = name.utf8.first, name.utf8.count <= 128, !(48...57).contains(first),
            name.utf8.allSatisfy({
                (65...90).contains($0) || (97...122).contains($0) || (48...57).contains($0) || $0 == 95
            })
        else { return "use letters, digits and '_', not starting with a digit, at most 128 characters" }
        let upper = name.uppercased()
        if let prefix = refusedPrefixes.first(where: upper.hasPrefix) {
            return "names that start with \(prefix) change the runtime and are refused"
        }
        if refused.contains(upper) { return "this name changes the runtime and is refused" }
        return nil
    }

    private static let refusedPrefixes = ["DENO_", "NPM_CONFIG_", "LD_", "KILN_", "NODE_", "SSL_", "GLIBC_", "MALLOC_"]
    private static let refused: Set<String> = ["PATH", "HOME", "V8_FLAGS", "GCONV_PATH", "LOCPATH"]
}

/// Where imports come from and how much they may be: what the operator sets.
package struct DependencySettings: Sendable {
    /// The npm registry's URL, with a slash at its end; flag `--npm-registry`.
    package var npmRegistry = "https://registry.npmjs.org/"
    /// The JSR registry's URL, with a slash at its end; flag `--jsr-url`.
    package var jsrURL = "https://jsr.io/"
    /// What may be connected to; flags `--allow-import` and `--deny-import`.
    package var policy = DialPolicy()
    /// Certificates that are trusted beside the public ones, as PEM text; flag `--ca`.
    package var certificates: String?
    /// Most bytes of a function's modules and packages, unpacked; flag `--max-dependencies`.
    package var bytes = Self.defaultBytes
    /// Most files of them; flag `--max-dependency-files`.
    package var files = 40_000
    /// Most seconds that resolving the imports of one deploy may take; flag `--resolve-timeout`.
    package var seconds = 120
    /// Most seconds that a host may let a request wait without a byte; flag `--import-timeout`.
    package var silence = 15
    /// Most connections of one resolution at a time: Deno opens one for each module it waits for; flag
    /// `--max-import-connections`.
    package var connections = 512
    /// Most bytes of archives kept on disk, for all functions; flag `--max-package-cache`.
    package var cache = 1 << 30

    /// 256 MiB.
    package static let defaultBytes = 256 << 20

    /// The defaults.
    package init() {}

    /// Most bytes that one resolution may receive: packages arrive compressed, but lists of all versions are long.
    var received: Int { 2 * bytes }
}

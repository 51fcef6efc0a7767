/// What checks of types against packages may take of the checker.
package struct PackageCheckLimits: Sendable, Hashable {
    /// Most bytes of packages' types that are kept, for all functions; flag `--max-package-types`.
    package var bytes = 160 << 20
    /// Most checks at a time; flag `--max-package-checks`.
    package var parallel = 2
    /// Most language servers that stand by, each for one set of packages; flag `--max-type-servers`.
    package var servers = 2

    /// What one more process that checks types may take, in bytes: its heap is limited to 400 MiB.
    private static let process = 512 << 20

    /// The default limits.
    package init() {}

    /// The memory that the checker needs with these limits, in bytes: 2 GiB with the default ones and no server, which hold the files of
    /// two resolutions and the types beside the processes.
    package var checkerBytes: Int64 {
        let usual = PackageCheckLimits()
        let processes = servers + max(0, parallel - usual.parallel)
        return Int64(2 << 30 + max(0, bytes - usual.bytes) + processes * Self.process)
    }
}

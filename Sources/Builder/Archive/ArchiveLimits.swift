/// How much an archive of a function's files may hold: what the operator sets. Each has a flag.
package struct ArchiveLimits: Sendable, Hashable {
    /// Most entries, directories among them; flag `--max-archive-files`.
    package var entries = 5000
    /// Most bytes of one file; flag `--max-archive-file`.
    package var fileBytes = 16 << 20
    /// Most bytes of all files; flag `--max-archive-bytes`.
    package var bytes = 64 << 20
    /// How many times as large as it was sent an archive may become; flag `--max-archive-ratio`. Up to 1 MiB it may in any case.
    package var ratio = 200
    /// Most directories that a file is in; flag `--max-archive-depth`.
    package var depth = 32
    /// Most bytes of a path in UTF-8; flag `--max-archive-path`.
    package var pathBytes = 512

    /// The defaults.
    package init() {}

    /// The most bytes of the tar itself, for one that was sent in `sent` bytes.
    func tarBytes(sent: Int, isCompressed: Bool) -> Int {
        // Headers, padding and long names: what an entry may need beside its content.
        let whole = bytes + (entries + 2) * (4096 + 2 * pathBytes)
        guard isCompressed else { return whole }
        let (product, overflows) = sent.multipliedReportingOverflow(by: ratio)
        return overflows ? whole : min(whole, max(product, 1 << 20))
    }
}

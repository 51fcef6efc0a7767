import Contract
import Glibc
import OCI

extension Collector {
    /// Blobs younger than this stay in the cache: a build or a pull may be about to read them.
    private static let youth = 3600

    /// Removes what no revision that stays needs from this machine's disk: unpacked layers, copied blobs, logs, leftovers.
    func collectMachine(
        without removed: [Revision], since started: ContinuousClock.Instant, _ mode: Mode,
        _ report: inout CollectionReport
    ) async throws {
        guard let machine else { return }
        try await collectFiles(of: machine, mode, &report)
        var layers: Set<Digest> = []
        var blobs: Set<Digest> = []
        for (repository, digests) in try await kept(without: removed) {
            for digest in digests {
                guard let facts = try await facts(of: digest, in: repository) else {
                    report.notes.append(
                        "The registry lacks \(repository)@\(digest), which a revision refers to: unpacked layers and copied blobs stay."
                    )
                    return
                }
                layers.formUnion(facts.layers)
                blobs.formUnion(facts.blobs.keys)
            }
        }
        report.layers = await machine.layers.collect(keeping: layers, since: started, dryRun: mode == .dryRun)
        for entry in machine.cache.contents() where !blobs.contains(entry.digest) && entry.age > Self.youth {
            if mode == .collect { try machine.cache.remove(entry.digest) }
            report.blobs.add(entry.size)
        }
    }

    private func collectFiles(of machine: Machine, _ mode: Mode, _ report: inout CollectionReport) async throws {
        let functions = Set(try await reconciler.store.names())
        for (path, size) in machine.leftovers.logs(without: functions) {
            if mode == .collect { DiskFile.removeTree(path) }
            report.logs.add(size)
        }
        for (path, size) in machine.leftovers.files() {
            if mode == .collect { DiskFile.removeTree(path) }
            report.leftovers.add(size)
        }
    }
}

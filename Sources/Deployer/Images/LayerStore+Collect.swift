import Contract
import Glibc

extension LayerStore {
    /// Removes the unpacked layers that are not in `kept` and that nobody has asked for since `moment`; with `dryRun` counts them only.
    /// A layer that is needed again is unpacked again.
    func collect(
        keeping kept: Set<Digest>, since moment: ContinuousClock.Instant, dryRun: Bool
    ) async -> CollectionReport.Tally {
        var tally = CollectionReport.Tally()
        let names = Set(kept.map(\.hex))
        for name in DiskFile.names(in: directory) where !name.hasSuffix(".tmp") && !names.contains(name) {
            guard let digest = try? Digest("sha256:" + name), !isInUse(digest, since: moment) else { continue }
            let path = "\(directory)/\(name)"
            let size = await Task.detached { StateLeftovers.size(of: path) }.value
            if !dryRun {
                // Asked again, for this actor was free meanwhile. The name goes at once, what is behind it later.
                let doomed = "\(path).\(getpid()).gone.tmp"
                guard !isInUse(digest, since: moment), rename(path, doomed) == 0 else { continue }
                forgetUse(of: digest)
                await Task.detached { DiskFile.removeTree(doomed) }.value
            }
            tally.add(size)
        }
        return tally
    }
}

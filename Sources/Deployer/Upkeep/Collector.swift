import Contract
import Logging
import OCI

/// Collects garbage: revisions beyond the retention, and then everything that no revision refers to any more, in the registry and on
/// this machine's disk.
///
/// The order makes every step safe to be interrupted: first the record forgets a revision, so that nothing can go back to it, then
/// what it had is garbage, now or in the next run. What the record does not know at all, such as images of deleted functions and of
/// builds that came to nothing, is found by comparing.
package actor Collector {
    /// Where on this machine there is something to collect besides the registry.
    package struct Machine: Sendable {
        let layers: LayerStore
        let cache: BlobCache
        let leftovers: StateLeftovers

        /// A machine with these unpacked layers and copied blobs, and its state directory.
        package init(layers: LayerStore, cache: BlobCache, leftovers: StateLeftovers) {
            self.layers = layers
            self.cache = cache
            self.leftovers = leftovers
        }
    }

    /// Whether anything is changed.
    package enum Mode: Sendable {
        /// Yes.
        case collect
        /// No: the report says what would be.
        case dryRun
    }

    /// The longest a run waits for deploys under way before it makes the registry read-only for a moment.
    static let drain = Duration.seconds(10)

    let reconciler: Reconciler
    let inventory: any ImageInventory
    let machine: Machine?
    let logger: Logger
    var facts: [Digest: ImageFacts] = [:]
    private var isRunning = false

    /// A collector of what `reconciler` does not need in `inventory` and on `machine`.
    package init(reconciler: Reconciler, inventory: any ImageInventory, machine: Machine?, logger: Logger) {
        self.reconciler = reconciler
        self.inventory = inventory
        self.machine = machine
        self.logger = logger
    }

    /// Collects, and says what; throws a 409 while another run is under way. Idempotent: a second run finds nothing.
    package func run(_ retention: Retention, _ mode: Mode) async throws -> CollectionReport {
        guard !isRunning else {
            throw Problem(
                "already-collecting", 409, "Garbage is being collected", "Another collection is under way; wait for it."
            )
        }
        isRunning = true
        defer { isRunning = false }
        guard mode == .collect else { return try await work(retention, mode) }
        do {
            let report = try await work(retention, mode)
            reconciler.metrics.collected("ok")
            reconciler.metrics.count("kiln_gc_freed_bytes_total", by: report.bytes)
            reconciler.metrics.count("kiln_gc_revisions_total", by: report.revisions.count)
            return report
        } catch {
            reconciler.metrics.collected((error as? Problem)?.kind ?? "internal")
            throw error
        }
    }

    private func work(_ retention: Retention, _ mode: Mode) async throws -> CollectionReport {
        do {
            return try await collect(retention, mode)
        } catch let error as OCIError {
            reconciler.metrics.registryFailed()
            throw Problem(
                "registry-failed", 502, "Registry failed", "Garbage in the registry was not collected: \(error.message)"
            )
        }
    }

    private func collect(_ retention: Retention, _ mode: Mode) async throws -> CollectionReport {
        let started = ContinuousClock.now
        var report = CollectionReport(dryRun: mode == .dryRun)
        let removed = try await collectRevisions(retention, mode)
        report.revisions = removed.map {
            CollectionReport.Item(
                name: $0.revision.function, revision: $0.revision.number, state: $0.state, created: $0.revision.created,
                image: $0.revision.image)
        }
        try await collectImages(removed.map(\.revision), mode, &report)
        try await collectMachine(without: removed.map(\.revision), since: started, mode, &report)
        report.sum()
        report.milliseconds = (started.duration(to: .now) / .microseconds(100)).rounded() / 10
        if mode == .collect { log(report) }
        return report
    }

    /// Collects every `interval` seconds, the first time that long after the last run of an earlier Deployer, which `lastRun` knows.
    package func run(every interval: Int, _ retention: Retention, lastRun: LastRun) async {
        while !Task.isCancelled {
            let due = lastRun.seconds.map { interval - $0 } ?? interval
            // A start has more urgent things to do.
            try? await Task.sleep(for: .seconds(max(due, min(60, interval))))
            if Task.isCancelled { return }
            do {
                _ = try await run(retention, .collect)
            } catch {
                logger.warning("garbage could not be collected", metadata: ["error": "\(error)"])
            }
            lastRun.note()
        }
    }

    private func collectRevisions(_ retention: Retention, _ mode: Mode) async throws -> [RevisionRecord] {
        var removed: [RevisionRecord] = []
        // Most functions have nothing to collect: only of others is what was read looked at again, in line with their deploys.
        for record in try await reconciler.store.records() {
            let name = record.summary.name
            let busy = await reconciler.busy(name)
            guard !retention.obsolete(in: record, at: .now(), busy: busy).isEmpty else { continue }
            removed += try await reconciler.collectRevisions(of: name, retention, mode)
        }
        return removed
    }

    private func log(_ report: CollectionReport) {
        logger.log(
            level: report.isEmpty ? .debug : .info, "garbage collected",
            metadata: [
                "revisions": "\(report.revisions.count)", "images": "\(report.images.count)",
                "layers": "\(report.layers.count)", "bytes": "\(report.bytes)", "ms": "\(report.milliseconds)",
            ])
        for note in report.notes { logger.notice("\(note)") }
    }
}

extension Reconciler {
    /// Forgets the revisions of `name` that `retention` gives up, one function at a time with its deploys and rollbacks.
    func collectRevisions(
        of name: FunctionName, _ retention: Retention, _ mode: Collector.Mode
    ) async throws -> [RevisionRecord] {
        try await lanes.run(name) {
            guard let record = try await self.store.function(name) else { return [] }
            let obsolete = retention.obsolete(in: record, at: .now(), busy: await self.busy(name))
            guard mode == .collect, !obsolete.isEmpty else { return obsolete }
            let removed = try await self.store.collect(Set(obsolete.map(\.revision.number)), of: name)
            return obsolete.filter { removed.contains($0.revision) }
        }
    }

    /// Revisions of `name` that have instances, or are about to lose them.
    fileprivate func busy(_ name: FunctionName) -> Set<Int> {
        let ids = Array(endpoints.keys) + Array(retirements.keys)
        return Set(
            ids.compactMap { id in
                if case .revision(let revision) = id, revision.function == name { revision.number } else { nil }
            })
    }
}

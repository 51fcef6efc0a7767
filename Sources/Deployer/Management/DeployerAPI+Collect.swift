import Contract
import Service

extension DeployerAPI {
    /// `POST /gc`: collects garbage, or with `dry-run=true` says what would go.
    func collect(_ request: ServiceRequest) async throws -> ServiceResponse {
        try allow(request, "POST")
        try request.allowQueryItems(["dry-run", "keep", "keep-for"])
        guard let collection else { throw Self.notFound(request) }
        var retention = collection.retention
        if let text = try request.queryItem("keep") {
            guard let number = Int(text), (0...1_000_000).contains(number) else {
                throw Problem(
                    "invalid-option", 400, "Invalid option", "Option 'keep' takes a number of revisions, 0 or more.")
            }
            retention.keep = number
        }
        if let text = try request.queryItem("keep-for") {
            guard let span = TimeSpan(text) else {
                throw Problem(
                    "invalid-option", 400, "Invalid option",
                    "Option 'keep-for' takes a length of time such as 30d, 12h or 0s, or never for no end.")
            }
            retention.keepFor = span
        }
        let mode: Collector.Mode = try Self.flag(request, "dry-run") ? .dryRun : .collect
        return try await .json(collection.collector.run(retention, mode))
    }
}

/// What `POST /gc` does.
package struct GarbageCollection: Sendable {
    let collector: Collector
    let retention: Retention

    /// Collects with `collector`, by default what `retention` gives up.
    package init(collector: Collector, retention: Retention) {
        self.collector = collector
        self.retention = retention
    }

    /// Collects every `interval` seconds until cancelled, the first time that long after the last run of an earlier Deployer.
    package func run(every interval: Int, lastRun: LastRun) async {
        await collector.run(every: interval, retention, lastRun: lastRun)
    }
}

import ArgumentParser
import Contract
import Deployer

/// How a platform keeps itself tidy; options of `kiln deployer` and `kiln up` alike.
struct UpkeepOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How often garbage is collected (default: 24h); never: only by 'kiln gc'.", valueName: "duration"))
    var gcInterval: String?

    @Option(
        help: ArgumentHelp(
            "Revisions of a function that garbage collection keeps at least (default: 20).", valueName: "number"))
    var keepRevisions: Int?

    @Option(
        help: ArgumentHelp(
            "How long garbage collection keeps every revision (default: 7d); 0s: no longer than others.",
            valueName: "duration"))
    var keepRevisionsFor: String?

    @Option(
        help: ArgumentHelp(
            "Bytes that the state directory's disk must have free for a deploy (default: 256Mi).", valueName: "bytes"))
    var minFreeDisk: String?

    @Option(help: ArgumentHelp("Most functions (default: 10000).", valueName: "number"))
    var maxFunctions: Int?

    /// What is taken in before deploys are refused.
    func limits(_ directory: StateDirectory) throws -> DeployLimits {
        var limits = DeployLimits()
        limits.directory = directory.path
        limits.functions = try Setting.resolve(maxFunctions, "MAX_FUNCTIONS", limits.functions)
        guard limits.functions >= 1 else {
            throw StartError("--max-functions cannot be \(limits.functions): use 1 or more.")
        }
        limits.freeBytes = try Setting.bytes(minFreeDisk, "--min-free-disk", in: 0 ... .max) ?? limits.freeBytes
        return limits
    }

    /// What garbage collection keeps when nobody says otherwise.
    func retention() throws -> Retention {
        var retention = Retention()
        retention.keep = try Setting.resolve(keepRevisions, "KEEP_REVISIONS", retention.keep)
        guard retention.keep >= 0 else {
            throw StartError("--keep-revisions cannot be \(retention.keep): use 0 or more.")
        }
        if let span = try span(keepRevisionsFor, "KEEP_REVISIONS_FOR", "--keep-revisions-for") {
            retention.keepFor = span
        }
        return retention
    }

    /// Seconds between two collections; `nil` for never.
    func interval() throws -> Int? {
        switch try span(gcInterval, "GC_INTERVAL", "--gc-interval") ?? .seconds(86_400) {
        case .never: return nil
        case .seconds(let seconds):
            guard seconds >= 1 else {
                throw StartError("--gc-interval cannot be \(seconds)s: use 1s or more, or never.")
            }
            return seconds
        }
    }

    private func span(_ flag: String?, _ name: String, _ option: String) throws -> TimeSpan? {
        guard let text = flag ?? Setting.optional(name) else { return nil }
        guard let span = TimeSpan(text) else {
            throw StartError("\(option) cannot be '\(text)': use a length of time such as 30d, 12h or 90s, or never.")
        }
        return span
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        ChildArguments.option("--gc-interval", gcInterval) + ChildArguments.option("--keep-revisions", keepRevisions)
            + ChildArguments.option("--keep-revisions-for", keepRevisionsFor)
            + ChildArguments.option("--min-free-disk", minFreeDisk)
            + ChildArguments.option("--max-functions", maxFunctions)
    }
}

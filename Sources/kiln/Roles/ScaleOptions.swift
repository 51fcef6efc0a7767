import ArgumentParser
import Contract
import Deployer
import FoundationEssentials

/// When instances come and go; options of `kiln deployer` and `kiln up` alike.
struct ScaleOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Stop a function's instances after so long without a request, until the next one, unless its deploy says otherwise: 15m, 1h, never (default: never).",
            valueName: "time"))
    var idle: String?

    @Option(
        help: ArgumentHelp(
            "How busy instances should be on average, in percent of their concurrency and CPU limit (default: 70).",
            valueName: "percent"))
    var scaleTarget: Int?

    @Option(
        help: ArgumentHelp(
            "Stop instances when fewer have been enough for so long (default: 60s).", valueName: "time"))
    var scaleDownAfter: String?

    @Option(
        help: ArgumentHelp(
            "Memory that all instances of functions may use together, in bytes or as a share of the machine's (default: 80%).",
            valueName: "bytes|percent"))
    var memoryBudget: String?

    @Option(
        help: ArgumentHelp(
            "Kill and restart an instance whose event loop has not turned for so long: 5s or more, or never (default: 30s).",
            valueName: "time"))
    var liveness: String?

    /// Adds to `configuration` what limits instances.
    func apply(to configuration: inout LocalConfiguration) throws {
        configuration.memoryBudget = try budget()
        switch try span(liveness, "LIVENESS", "--liveness", never: true) {
        case nil: break
        case .never?: configuration.liveness = nil
        case .seconds(let seconds)?:
            guard seconds >= 5 else {
                throw StartError(
                    "--liveness cannot be \(seconds)s: use 5s or more, or never. To block for a while is legal.")
            }
            configuration.liveness = .seconds(seconds)
        }
    }

    private func budget() throws -> Int64 {
        let text = memoryBudget ?? Setting.optional("MEMORY_BUDGET") ?? "80%"
        let bytes: Int64?
        if text.hasSuffix("%") {
            let percent = Int64(text.dropLast()).flatMap { (1...100).contains($0) ? $0 : nil }
            bytes = percent.map { Int64(ProcessInfo.processInfo.physicalMemory) / 100 * $0 }
        } else {
            bytes = Quantity.bytes(text)
        }
        guard let bytes, bytes >= 64 << 20 else {
            throw StartError(
                "--memory-budget cannot be '\(text)': use 64Mi or more, such as 4Gi, or a share such as 80%.")
        }
        return bytes
    }

    /// When instances come and go.
    func scaling() throws -> Reconciler.Scaling {
        var result = Reconciler.Scaling()
        let target = try scaleTarget ?? Setting.optional("SCALE_TARGET").map { try Self.number($0) }
        if let target {
            guard (10...100).contains(target) else {
                throw StartError("--scale-target cannot be \(target): use 10 to 100 percent.")
            }
            result.target = Double(target) / 100
        }
        if case .seconds(let seconds)? = try span(
            scaleDownAfter, "SCALE_DOWN_AFTER", "--scale-down-after", never: false)
        {
            result.downAfter = .seconds(seconds)
        }
        if case .seconds(let seconds)? = try span(idle, "IDLE", "--idle", never: true) {
            result.idle = .seconds(seconds)
        }
        return result
    }

    private func span(_ flag: String?, _ name: String, _ option: String, never: Bool) throws -> TimeSpan? {
        guard let text = flag ?? Setting.optional(name) else { return nil }
        switch TimeSpan(text) {
        case .seconds(let seconds)? where (1...FunctionSpec.longestIdle).contains(seconds): return .seconds(seconds)
        case .never? where never: return .never
        default:
            throw StartError(
                "\(option) cannot be '\(text)': use a time from 1s to 30d such as 30s, 15m or 1h\(never ? ", or never" : "")."
            )
        }
    }

    private static func number(_ text: String) throws -> Int {
        guard let number = Int(text) else {
            throw StartError("--scale-target cannot be '\(text)': use 10 to 100 percent.")
        }
        return number
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        ChildArguments.option("--idle", idle) + ChildArguments.option("--scale-target", scaleTarget)
            + ChildArguments.option("--scale-down-after", scaleDownAfter)
            + ChildArguments.option("--memory-budget", memoryBudget) + ChildArguments.option("--liveness", liveness)
    }
}

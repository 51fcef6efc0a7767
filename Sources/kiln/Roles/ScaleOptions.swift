import ArgumentParser
import Contract
import Deployer

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
    }
}

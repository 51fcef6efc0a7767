import ArgumentParser

/// How much the metrics tell; options of `kiln router`, `kiln deployer` and `kiln up` alike.
struct MetricOptions: ParsableArguments {
    /// Functions that are told apart unless told otherwise.
    static let defaultFunctions = 500

    @Option(
        help: ArgumentHelp(
            "Functions that metrics tell apart, about 35 series each; those beyond are counted together as _other (default: \(Self.defaultFunctions)).",
            valueName: "number"))
    var metricFunctions: Int?

    /// The most functions with series of their own.
    func functions() throws -> Int {
        let number = try Setting.resolve(metricFunctions, "METRIC_FUNCTIONS", Self.defaultFunctions)
        guard (0...100_000).contains(number) else {
            throw StartError("--metric-functions cannot be \(number): use 0 to 100000.")
        }
        return number
    }

    /// The same options as arguments for a child.
    var arguments: [String] { ChildArguments.option("--metric-functions", metricFunctions) }
}

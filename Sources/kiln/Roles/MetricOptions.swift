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
        try Setting.number(metricFunctions, "--metric-functions", in: 0...100_000) ?? Self.defaultFunctions
    }

    /// The same options as arguments for a child.
    var arguments: [String] { ChildArguments.option("--metric-functions", metricFunctions) }
}

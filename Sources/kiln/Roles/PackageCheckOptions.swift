import ArgumentParser
import Builder
import Contract
import Deployer

/// What checks of types against packages may take; options of `kiln builder`, `kiln deployer` and `kiln up` alike.
struct PackageCheckOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Most bytes of packages' types that the checker keeps in memory (default: 160Mi).", valueName: "bytes"))
    var maxPackageTypes: String?

    @Option(
        help: ArgumentHelp("Most checks of types against packages at a time (default: 2).", valueName: "number"))
    var maxPackageChecks: Int?

    @Option(
        help: ArgumentHelp(
            "Most type checkers that stand by for packages in use, each with up to 512Mi of memory (default: 2).",
            valueName: "number"))
    var maxTypeServers: Int?

    /// The limits.
    func limits() throws -> PackageCheckLimits {
        var limits = PackageCheckLimits()
        if let bytes = try Setting.bytes(maxPackageTypes, "--max-package-types", in: 1 << 20...4 << 30) {
            limits.bytes = Int(bytes)
        }
        limits.parallel =
            try Setting.number(maxPackageChecks, "--max-package-checks", in: 1...32) ?? limits.parallel
        limits.servers = try Setting.number(maxTypeServers, "--max-type-servers", in: 0...32) ?? limits.servers
        return limits
    }

    /// Gives the checker's container the room and the memory that they need.
    func apply(to configuration: inout LocalConfiguration, _ deploys: inout DeployLimits) throws {
        let limits = try limits()
        configuration.packageTypesBytes = Int64(limits.bytes)
        deploys.checkerBytes = limits.checkerBytes
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        ChildArguments.option("--max-package-types", maxPackageTypes)
            + ChildArguments.option("--max-package-checks", maxPackageChecks)
            + ChildArguments.option("--max-type-servers", maxTypeServers)
    }
}

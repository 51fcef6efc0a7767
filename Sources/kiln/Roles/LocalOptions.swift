import ArgumentParser
import Contract
import Deployer

/// How functions run on this machine; options of `kiln deployer` and `kiln up` alike.
struct LocalOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Seconds a new instance may take until it accepts requests (default: 10).", valueName: "seconds"))
    var startDeadline: Int?

    @Option(
        help: ArgumentHelp(
            "Seconds that requests in flight keep an old revision alive after the traffic has moved (default: 30).",
            valueName: "seconds"))
    var drain: Int?

    @Option(
        help: ArgumentHelp(
            "IPv4 addresses of the instances (default: a free /20 of 10.192.0.0/10, chosen once).", valueName: "cidr"))
    var instancePool: String?

    @Option(
        help: ArgumentHelp(
            "A name server (IPv4) for the functions instead of those in /etc/resolv.conf; may be repeated.",
            valueName: "address"))
    var nameServer: [String] = []

    @Option(
        help: ArgumentHelp("The OCI runtime (default: the first of crun and runc that works here).", valueName: "path"))
    var runtime: String?

    @Option(help: ArgumentHelp("Most bytes of one instance's log (default: 4Mi).", valueName: "bytes"))
    var logBytes: String?

    /// The backend's configuration for an installation in `state`.
    func configuration(_ state: StateDirectory) throws -> LocalConfiguration {
        var result = LocalConfiguration(stateDirectory: state.path, installation: try state.installationID())
        if let seconds = try seconds(startDeadline, "START_DEADLINE", 1...600) {
            result.startDeadline = .seconds(seconds)
        }
        if let text = instancePool ?? Setting.optional("INSTANCE_POOL") {
            guard let range = IPv4Range(text), (16...24).contains(range.prefixLength) else {
                throw ValidationError(
                    "'\(text)' cannot be the instances' addresses: use an IPv4 range from /16 to /24.")
            }
            result.addressPool = range
        }
        if !nameServer.isEmpty { result.nameServers = nameServer }
        if let runtime = runtime ?? Setting.optional("RUNTIME") { result.runtime = .executable(runtime) }
        if let text = logBytes ?? Setting.optional("LOG_BYTES") {
            guard let bytes = Quantity.bytes(text), bytes >= 64 << 10 else {
                throw ValidationError("'\(text)' cannot be the size of a log: use 64Ki or more.")
            }
            result.logBytes = bytes
        }
        return result
    }

    /// The reconciler's times.
    func timing() throws -> Reconciler.Timing {
        var timing = Reconciler.Timing()
        if let seconds = try seconds(drain, "DRAIN", 0...3600) { timing.drain = .seconds(seconds) }
        return timing
    }

    private func seconds(_ flag: Int?, _ name: String, _ range: ClosedRange<Int>) throws -> Int? {
        let chosen = try flag ?? (Setting.text(name) == nil ? nil : Setting.resolve(nil, name, 0))
        guard let chosen else { return nil }
        guard range.contains(chosen) else {
            throw ValidationError(
                "\(chosen) is not a number of seconds from \(range.lowerBound) to \(range.upperBound).")
        }
        return chosen
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        var list = ChildArguments.option("--start-deadline", startDeadline)
        list += ChildArguments.option("--drain", drain)
        list += ChildArguments.option("--instance-pool", instancePool)
        list += ChildArguments.options("--name-server", nameServer)
        list += ChildArguments.option("--runtime", runtime)
        return list + ChildArguments.option("--log-bytes", logBytes)
    }
}

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

    @Option(help: ArgumentHelp("Ended instances of a function that keep their logs (default: 4).", valueName: "number"))
    var keptLogs: Int?

    @Option(
        help: ArgumentHelp(
            "CPU that writing down one instance's output may take; a function that prints more waits (default: 100m).",
            valueName: "cores"))
    var logCpu: String?

    @Option(
        help: ArgumentHelp("Most processes and threads of one instance (default: 256).", valueName: "number"))
    var maxTasks: Int?

    @Option(help: ArgumentHelp("Most open files of one instance (default: 4096).", valueName: "number"))
    var maxOpenFiles: Int?

    @Option(
        help: ArgumentHelp(
            "Most bytes in one instance's /tmp, which count as its memory; never more than half of that (default: 64Mi).",
            valueName: "bytes"))
    var maxTmp: String?

    @Option(
        help: ArgumentHelp("Most bytes of one secret, at most 120Ki (default: 64Ki).", valueName: "bytes"))
    var maxSecretBytes: String?

    /// The backend's configuration for an installation in `state`.
    func configuration(_ state: StateDirectory) throws -> LocalConfiguration {
        var result = LocalConfiguration(stateDirectory: state.path, installation: try state.installationID())
        if let seconds = try Setting.number(startDeadline, "--start-deadline", in: 1...600, unit: " seconds") {
            result.startDeadline = .seconds(seconds)
        }
        if let text = instancePool ?? Setting.optional("INSTANCE_POOL") {
            guard let range = IPv4Range(text), (16...24).contains(range.prefixLength),
                SpecialRanges.private.contains(where: range.overlaps)
            else {
                throw StartError(
                    "--instance-pool cannot be '\(text)': use a private IPv4 range from /16 to /24, such as 10.200.0.0/20."
                )
            }
            result.addressPool = range
        }
        let servers = Setting.list(nameServer, "NAME_SERVER")
        for server in servers where IPv4Range(server)?.prefixLength != 32 || server.contains("/") {
            throw StartError("--name-server cannot be '\(server)': use an IPv4 address such as 192.0.2.53.")
        }
        if !servers.isEmpty { result.nameServers = servers }
        if let runtime = runtime ?? Setting.optional("RUNTIME") { result.runtime = .executable(runtime) }
        result.logBytes = try Setting.bytes(logBytes, "--log-bytes", in: 64 << 10 ... .max) ?? result.logBytes
        result.keptLogs = try Setting.number(keptLogs, "--kept-logs", in: 0...1000) ?? result.keptLogs
        if let text = logCpu ?? Setting.optional("LOG_CPU") {
            guard let millicores = Quantity.millicores(text), (10...100_000).contains(millicores) else {
                throw StartError("--log-cpu cannot be '\(text)': use a number of cores such as 100m or 0.5.")
            }
            result.logMillicores = Int(millicores)
        }
        try applyInstanceLimits(to: &result)
        result.secretBytes = try SecretFiles.limit(maxSecretBytes)
        return result
    }

    private func applyInstanceLimits(to result: inout LocalConfiguration) throws {
        result.tasks = try Setting.resolve(maxTasks, "MAX_TASKS", result.tasks)
        guard (64...32_768).contains(result.tasks) else {
            throw StartError("--max-tasks cannot be \(result.tasks): use 64, which Deno needs, to 32768.")
        }
        let files = try Setting.resolve(maxOpenFiles, "MAX_OPEN_FILES", Int(result.openFiles))
        guard (64...1_048_576).contains(files) else {
            throw StartError("--max-open-files cannot be \(files): use 64, which Deno needs, to 1048576.")
        }
        result.openFiles = UInt64(files)
        result.temporaryBytes =
            try Setting.bytes(maxTmp, "--max-tmp", in: 1 << 20...1 << 40) ?? result.temporaryBytes
    }

    /// The reconciler's times.
    func timing() throws -> Reconciler.Timing {
        var timing = Reconciler.Timing()
        if let seconds = try Setting.number(drain, "--drain", in: 0...3600, unit: " seconds") {
            timing.drain = .seconds(seconds)
        }
        return timing
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        var list = ChildArguments.option("--start-deadline", startDeadline)
        list += ChildArguments.option("--drain", drain)
        list += ChildArguments.option("--instance-pool", instancePool)
        list += ChildArguments.options("--name-server", nameServer)
        list += ChildArguments.option("--runtime", runtime)
        list += ChildArguments.option("--kept-logs", keptLogs)
        list += ChildArguments.option("--log-cpu", logCpu)
        list += ChildArguments.option("--max-tasks", maxTasks)
        list += ChildArguments.option("--max-open-files", maxOpenFiles)
        list += ChildArguments.option("--max-tmp", maxTmp)
        list += ChildArguments.option("--max-secret-bytes", maxSecretBytes)
        return list + ChildArguments.option("--log-bytes", logBytes)
    }
}

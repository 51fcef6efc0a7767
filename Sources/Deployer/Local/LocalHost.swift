import Contract
import Glibc
import Logging

/// What the backend found on the machine, and the programs it works with.
struct LocalHost: Sendable {
    let configuration: LocalConfiguration
    let runtime: OCIRuntime
    let monitor: Monitor
    let sandbox: Sandbox
    let cgroups: Cgroups
    let pool: AddressPool
    let watch: DirectoryWatch
    private let ip: Program
    private let nft: Program
    private let wires: Wires

    /// Looks at the machine and makes what all instances share; throws one sentence when instances cannot run here.
    init(_ given: LocalConfiguration) async throws(DeployerError) {
        try given.check()
        guard geteuid() == 0 else {
            throw DeployerError(
                .runtime,
                "Running functions on this machine needs root: containers, their network and their limits do. Start Kiln as root."
            )
        }
        let configuration = try Self.makeDirectories(given)
        self.configuration = configuration
        cgroups = Cgroups(
            installation: configuration.installation, mountTable: DiskFile.text("/proc/self/mountinfo") ?? "")
        guard !cgroups.hierarchies.isEmpty else {
            throw DeployerError(
                .runtime, "No control groups are mounted, so no function could be limited. Mount /sys/fs/cgroup.")
        }
        sandbox = Sandbox(configuration: configuration, machine: Self.machine(cgroups))
        ip = try Program("ip", package: "iproute2")
        nft = try Program("nft", package: "nftables")
        runtime = try await RuntimeProbe(configuration: configuration, sandbox: sandbox).find()
        watch = try DirectoryWatch()
        monitor = try Monitor(runtime: runtime, watch: watch)
        let routes = HostRoutes.current()
        pool = try Self.pool(configuration, routes)
        wires = Wires(
            program: ip, pool: pool, names: .init(installation: configuration.installation), mtu: routes.uplinkMTU)
    }

    /// Starts the name server that instances ask.
    func startForwarder(
        servers: @escaping @Sendable () -> NameServers, logger: Logger
    ) async throws(DeployerError) -> DNSForwarder {
        try await wires.addNameServer()
        return try await DNSForwarder(address: pool.nameServer, logger: logger, servers: servers)
    }

    /// The instances' network, not started yet.
    func network(nameServerPort: Int, logger: Logger) -> NetworkPool {
        let rules = FirewallRules(
            installation: configuration.installation, pool: pool, nameServerPort: nameServerPort)
        return NetworkPool(
            wires: wires, firewall: Firewall(nft: nft, rules: rules), target: configuration.readyNetworks,
            logger: logger)
    }

    /// Makes what directories there have to be; returns `configuration` with the state directory as the kernel calls it: in the
    /// table of mounts no path leads through a symbolic link.
    private static func makeDirectories(_ given: LocalConfiguration) throws(DeployerError) -> LocalConfiguration {
        var configuration = given
        try DiskFile.directory(configuration.stateDirectory)
        guard let path = realpath(configuration.stateDirectory, nil) else {
            throw .system("find \(configuration.stateDirectory)", code: .state)
        }
        defer { free(path) }
        configuration.stateDirectory = String(cString: path)
        try configuration.check()
        for directory in [
            configuration.instances, configuration.logs,
            OCIRuntime.directory(configuration.installation),
            OCIRuntime.directory(configuration.installation) + "/runtime",
        ] {
            try DiskFile.directory(directory)
        }
        return configuration
    }

    private static func machine(_ cgroups: Cgroups) -> Sandbox.Machine {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return Sandbox.Machine(
            cgroupVersion: cgroups.version, limitsSwap: cgroups.limitsSwap,
            hasIPv6: DiskFile.exists("/proc/sys/net/ipv6"),
            hasCgroupNamespaces: DiskFile.exists("/proc/self/ns/cgroup"),
            openFiles: UInt64(limit.rlim_max))
    }

    /// The configured pool, or the one chosen at the first start, or a new one.
    private static func pool(_ configuration: LocalConfiguration, _ routes: HostRoutes) throws(DeployerError)
        -> AddressPool
    {
        if let range = configuration.addressPool { return try AddressPool(range) }
        if let text = DiskFile.text(configuration.chosenPool), let range = IPv4Range(text.filter { !$0.isWhitespace }) {
            return try AddressPool(range)
        }
        let pool = try AddressPool.choose(
            installation: configuration.installation, taken: routes.destinations + HostRoutes.ownAddresses())
        try DiskFile.write("\(pool.range)\n".utf8, to: configuration.chosenPool)
        return pool
    }
}

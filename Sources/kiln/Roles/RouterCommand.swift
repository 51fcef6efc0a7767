import ArgumentParser
import Contract
import Kubernetes
import Logging
import NIOCore
import NIOPosix
import OTLP
import Router
import Service
import Telemetry
import Transfer

/// `kiln router`: the front door.
struct RouterCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "router", abstract: "Run the Router: passes /fn/NAME to instances and /func to the other roles.")

    @OptionGroup var state: StateOptions
    @OptionGroup var logs: LogOptions
    @OptionGroup var door: DoorOptions
    @OptionGroup var tls: TLSOptions
    @OptionGroup var traffic: TrafficOptions
    @OptionGroup var accessLog: AccessLogOptions
    @OptionGroup var metrics: MetricOptions
    @OptionGroup var traces: TraceOptions
    @OptionGroup(title: "Cluster") var role: RoleOptions
    @OptionGroup(title: "Cluster") var cluster: ClusterOptions
    @OptionGroup(title: "Cluster") var client: ClusterClientOptions

    @Option(
        help: ArgumentHelp(
            "Where the Builder is asked (default: its socket in the state directory).", valueName: "host:port"))
    var builder: ListenOption?

    @Option(
        help: ArgumentHelp(
            "Where the Deployer is asked (default: its socket in the state directory).", valueName: "host:port"))
    var deployer: ListenOption?

    @Option(help: .hidden) var listenDescriptor: Int32?
    @Flag(help: .hidden) var supervised = false

    func run() async throws {
        try await Role.run(logs, "router", supervised: supervised) { logger in
            let directory = try state.directory()
            try directory.create()
            let internalToken = try role.token(directory)
            let builder = try RoleOptions.address(builder, "builder", directory)
            let deployer = try RoleOptions.address(deployer, "deployer", directory)
            let inCluster = cluster.isWanted
            let listen: RouterConfiguration.Listen
            if let listenDescriptor {
                listen = .inherited(descriptor: listenDescriptor)
            } else {
                let address = try door.address()
                listen = .address(host: address.host, port: address.port)
            }
            let management = RouterConfiguration.Management(
                builder: builder.address, deployer: deployer.address, internalToken: internalToken,
                observer: .unix(path: directory.socket("router")),
                token: try door.managementToken(readers: inCluster ? .group : .owner), hostNames: try door.hostNames())
            var configuration = RouterConfiguration(listen: listen, management: management)
            configuration.functionHost = try door.functionHosts()
            configuration.trustedProxies = try door.trusted()
            configuration.proxyProtocol = try door.speaksProxyProtocol()
            try traffic.apply(to: &configuration)
            try tls.apply(to: &configuration)
            configuration.accessLog = try accessLog.open()
            configuration.limits.metricFunctions = try metrics.functions()
            let name = inCluster ? "\(ReplicaName.own)-\(RequestToken.make(bytes: 4))" : "local"
            let exporter = try traces.exporter("kiln-router", instance: name, logger: logger)
            configuration.tracing = exporter?.0
            let files = OpenFiles.raise()
            let fitting = max(64, (files - 256) / 2)
            if configuration.limits.connections > fitting {
                if configuration.limits.connections == RouterConfiguration.Limits().connections {
                    configuration.limits.connections = fitting
                    logger.info(
                        "fewer connections than usual, because of the limit of open files (ulimit -n)",
                        metadata: ["connections": "\(fitting)", "openFiles": "\(files)"])
                } else {
                    logger.warning(
                        "fewer files may be open than clients' connections need; raise the limit (ulimit -n) or lower --max-connections",
                        metadata: [
                            "openFiles": "\(files)", "needed": "\(configuration.limits.connections * 2 + 256)",
                        ])
                }
            }
            let loops = try SocketLoopGroup(threads: try door.threadCount())
            // What the other roles ask is little.
            let group = MultiThreadedEventLoopGroup.singleton
            let server = try await RouterServer.start(configuration, group: loops, logger: logger)
            let client = try HTTPClient()
            // In a cluster there are several of each, and each is asked for its own.
            let witness = inCluster ? RouteWitness(server) : nil
            let observer = Observer(
                server: server, client: client, token: internalToken,
                roles: inCluster ? [] : [("builder", builder), ("deployer", deployer)], witness: witness,
                probe: inCluster ? ReachProbe(group: group) : nil, spans: exporter?.0.queue)
            let own = HTTPService(token: internalToken, logger: logger, handler: observer.handle)
            var places = [ListenAddress.unix(path: directory.socket("router"))]
            if inCluster, let place = try role.option() { places.append(.tcp(host: place.host, port: place.port)) }
            let observing = Task { [places] in await Self.observe(own, at: places, witness, group, logger) }
            let exporting = Task { await exporter?.1.run() }
            let feed = RouteFeed(client: client, deployer: deployer, token: internalToken, id: name, logger: logger)
            let routes = inCluster ? try clusterRoutes(name, logger) : nil
            let feeding = Task { await feed.run(server, cluster: routes) }
            return RunningRole { reason in
                let grace: Duration = reason == .orphaned ? .seconds(5) : .seconds(25)
                var plan = DrainPlan()
                // As long as a cluster's Services go on sending to a Pod that ends.
                if inCluster { plan.lead = .seconds(5) }
                plan.grace = grace
                plan.tunnelGrace = grace
                await server.drain(plan)
                feeding.cancel()
                observing.cancel()
                exporting.cancel()
                await exporter?.1.flush(within: .seconds(3))
            }
        }
    }

    /// Takes the other roles' calls, until the task is cancelled.
    private static func observe(
        _ service: HTTPService, at places: [ListenAddress], _ witness: RouteWitness?, _ group: any EventLoopGroup,
        _ logger: Logger
    ) async {
        await withTaskGroup(of: Void.self) { tasks in
            if let witness { tasks.addTask { await witness.run() } }
            for place in places {
                tasks.addTask {
                    do {
                        try await service.run(on: place, group: group)
                    } catch is CancellationError {
                    } catch {
                        logger.critical("cannot serve", metadata: ["address": "\(place)", "error": "\(error)"])
                    }
                }
            }
            await tasks.waitForAll()
        }
    }

    private func clusterRoutes(_ epoch: String, _ logger: Logger) throws -> ClusterRouteFeed {
        let connection = try cluster.connection()
        let functions = try cluster.functions()
        logger.info(
            "routes from a cluster", metadata: ["server": "\(connection.server)", "namespace": "\(functions)"])
        return ClusterRouteFeed(
            try APIClient(connection, try client.configuration(), logger: logger), namespace: functions, epoch: epoch)
    }
}

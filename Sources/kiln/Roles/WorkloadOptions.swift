import ArgumentParser
import Contract
import Deployer
import Kubernetes

/// How functions run on a cluster; options of `kiln deployer`.
struct WorkloadOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Kiln's own namespace (default: the one this runs in, else kiln-system).", valueName: "name")
    )
    var systemNamespace: String?

    @Option(
        help: ArgumentHelp(
            "The host under which the other Deployers reach this one (default: that of --role-listen).",
            valueName: "host"))
    var advertise: String?

    @Option(
        help: ArgumentHelp(
            "The registry as the cluster's nodes call it (default: as Kiln does).", valueName: "host[:port]"))
    var nodeRegistry: String?

    @Option(
        help: ArgumentHelp(
            "A Secret with which nodes pull images, in the functions' namespace; may be repeated.", valueName: "name"))
    var pullSecret: [String] = []

    @Option(
        help: ArgumentHelp(
            "A range of the cluster that is not private by itself and that functions must not reach; may be repeated.",
            valueName: "cidr"))
    var clusterRange: [String] = []

    @Option(help: ArgumentHelp("Where the checker answers.", valueName: "host:port"))
    var checker: ListenOption?

    @Option(
        help: ArgumentHelp(
            "The Service of the Routers, in Kiln's own namespace, which are asked at its port 'role' whether they have switched (default: kiln-routers).",
            valueName: "name"))
    var routerService: String?

    @Option(
        help: ArgumentHelp(
            "Seconds a revision may take on a cluster until its Pods are ready (default: 120).", valueName: "seconds"))
    var progressDeadline: Int?

    /// Kiln's own namespace.
    func system(_ connection: ClusterConnection) throws -> String {
        if let name = systemNamespace ?? Setting.optional("SYSTEM_NAMESPACE") { return name }
        // A kubeconfig that names none means `default`, where Kiln has nothing.
        return connection.namespace == "default" ? "kiln-system" : connection.namespace
    }

    /// The Service of the Routers.
    func routers() throws -> String { try Setting.resolve(routerService, "ROUTER_SERVICE", "kiln-routers") }

    /// Where the other Deployers reach this one.
    func address(_ listen: ListenOption) throws -> String {
        if let host = advertise ?? Setting.optional("ADVERTISE") {
            return ListenOption(host: host, port: listen.port).text
        }
        guard !["0.0.0.0", "::"].contains(listen.host) else {
            throw StartError(
                "The other Deployers cannot reach \(listen.text): say under which address they can with --advertise HOST, in a Pod its IP."
            )
        }
        return listen.text
    }

    /// What the operator decides about Pods.
    func settings(functions: String, system: String, temporaryBytes: Int64) throws -> WorkloadSettings {
        var settings = WorkloadSettings(
            namespace: functions,
            routers: .init(
                namespace: system,
                labels: ["app.kubernetes.io/name": "kiln", "app.kubernetes.io/component": "router"]))
        settings.registry = nodeRegistry ?? Setting.optional("NODE_REGISTRY")
        settings.pullSecrets = Setting.list(pullSecret, "PULL_SECRET")
        settings.clusterRanges = Setting.list(clusterRange, "CLUSTER_RANGE")
        for text in settings.clusterRanges where IPv4Range(text) == nil {
            throw StartError("--cluster-range cannot be '\(text)': use an IPv4 range such as 100.64.0.0/10.")
        }
        if checker != nil || Setting.optional("CHECKER") != nil {
            let place = try Setting.resolve(checker, "CHECKER", ListenOption(host: "", port: 0))
            settings.checker = Endpoint(id: "checker", address: .tcp(host: place.host, port: place.port))
        }
        if let seconds = try Setting.number(progressDeadline, "--progress-deadline", in: 1...3600, unit: " seconds") {
            settings.progressSeconds = seconds
        }
        // A cluster's Pods have addresses of one family first, this one among them.
        settings.callsIPv6 = (advertise ?? Setting.optional("ADVERTISE"))?.contains(":") == true
        settings.temporaryBytes = temporaryBytes
        return settings
    }
}

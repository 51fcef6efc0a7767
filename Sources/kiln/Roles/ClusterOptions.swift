import ArgumentParser
import FoundationEssentials
import Kubernetes

/// Which cluster is meant; options of `kiln deployer`, `kiln router` and `kiln secret` alike.
struct ClusterOptions: ParsableArguments {
    /// Where functions are unless told otherwise.
    static let defaultNamespace = "kiln-functions"

    @Flag(help: "Work on a Kubernetes cluster instead of this machine.")
    var kubernetes = false

    @Option(
        help: ArgumentHelp(
            "The file that says where the cluster is (default: KUBECONFIG; in a Pod its service account; ~/.kube/config).",
            valueName: "file"), completion: .file())
    var kubeconfig: String?

    @Option(help: ArgumentHelp("The kubeconfig's context (default: its current one).", valueName: "name"))
    var context: String?

    @Option(
        help: ArgumentHelp("The functions' namespace (default: \(Self.defaultNamespace)).", valueName: "name"))
    var namespace: String?

    /// Whether a cluster is meant.
    var isWanted: Bool { kubernetes || Setting.optional("KUBERNETES") == "true" }

    /// The functions' namespace.
    func functions() throws -> String { try Setting.resolve(namespace, "NAMESPACE", Self.defaultNamespace) }

    /// The way to the cluster.
    func connection() throws -> ClusterConnection {
        let environment = ProcessInfo.processInfo.environment
        do {
            if let path = kubeconfig ?? Setting.optional("KUBECONFIG") { return try read([path]) }
            if let list = environment["KUBECONFIG"], !list.isEmpty {
                return try read(list.split(separator: ":").map(String.init))
            }
            if let own = try ClusterConnection.inCluster(environment: environment) { return own }
            return try read(["\(environment["HOME"] ?? "/root")/.kube/config"])
        } catch let error as APIError {
            throw StartError("\(error)")
        }
    }

    private func read(_ paths: [String]) throws -> ClusterConnection {
        try KubeConfig(paths: paths).connection(context: context ?? Setting.optional("CONTEXT"))
    }
}

/// How much a role asks of the API server; options of `kiln deployer` and `kiln router` alike.
struct ClusterClientOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Most calls of the cluster's API a second, on average (default: 50).", valueName: "number"))
    var kubernetesQps: Int?

    @Option(help: ArgumentHelp("Most calls of the cluster's API at once (default: 100).", valueName: "number"))
    var kubernetesBurst: Int?

    /// The limits of the API client.
    func configuration() throws -> APIClient.Configuration {
        var configuration = APIClient.Configuration()
        let range = 1...100_000
        configuration.callsPerSecond =
            try Setting.number(kubernetesQps, "--kubernetes-qps", in: range) ?? configuration.callsPerSecond
        configuration.burst =
            try Setting.number(kubernetesBurst, "--kubernetes-burst", in: range) ?? configuration.burst
        return configuration
    }
}

/// What this process is called among those of its role: the Pod's name, in a Pod.
enum ReplicaName {
    static var own: String {
        let name = ProcessInfo.processInfo.hostName
        return name.isEmpty ? "kiln" : name
    }
}

import Contract

/// What the operator decides about the Pods of functions.
package struct WorkloadSettings: Sendable, Hashable {
    /// Pods by namespace and labels.
    package struct Peers: Sendable, Hashable {
        /// Their namespace.
        package var namespace: String
        /// Their labels.
        package var labels: [String: String]

        /// Pods in `namespace` with all of `labels`.
        package init(namespace: String, labels: [String: String]) {
            self.namespace = namespace
            self.labels = labels
        }
    }

    /// The namespace of functions.
    package var namespace: String
    /// The Routers: nobody else may call a function.
    package var routers: Peers
    /// The cluster's name servers.
    package var nameServers = Peers(namespace: "kube-system", labels: ["k8s-app": "kube-dns"])
    /// Ranges of the cluster that are not private by themselves: nothing there may be reached. CIDRs.
    package var clusterRanges: [String] = []
    /// The registry as nodes call it, where that is another name than Kiln's own.
    package var registry: String?
    /// Secrets with credentials for the registry.
    package var pullSecrets: [String] = []
    /// The Secret that holds the values of functions' secrets, each under its name.
    package var secrets = "kiln-secrets"
    /// Where the checker answers, which is a Deployment of its own.
    package var checker: Endpoint?
    /// Whether Pods are called at IPv6 addresses: they listen on both families then, else as the base image does, on IPv4.
    package var callsIPv6 = false
    /// From SIGTERM to SIGKILL, in seconds; as long as the Router lets requests end.
    package var graceSeconds = 30
    /// How long a start may take until the roll-out counts as failed, in seconds.
    package var progressSeconds = 120
    /// Most bytes of `/tmp`; at most half of the memory limit.
    package var temporaryBytes: Int64 = 64 << 20
    /// The part of the CPU limit that the scheduler sets aside.
    package var cpuRequestShare = 0.1
    /// The part of the CPU limit that Pods are to use on average.
    package var cpuTargetShare = 0.7

    /// Functions in `namespace`, called by `routers`.
    package init(namespace: String, routers: Peers) {
        self.namespace = namespace
        self.routers = routers
    }
}

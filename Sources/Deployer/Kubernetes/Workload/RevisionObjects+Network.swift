import Contract
import Kubernetes

extension RevisionObjects {
    /// In only from the Routers; out to what the function may reach, and never to the cluster, private or link-local ranges, unless it
    /// names them. With IPv6 nothing but the name servers is reached.
    static func network(
        _ network: NetworkPolicy, _ selector: [String: String], _ settings: WorkloadSettings
    ) -> NetworkPolicyObject.Spec {
        NetworkPolicyObject.Spec(
            podSelector: LabelSelector(matchLabels: selector), policyTypes: ["Ingress", "Egress"],
            ingress: [.init(from: [peer(settings.routers)], ports: [.init(port: port)])],
            egress: egress(network, settings))
    }

    private static func egress(
        _ network: NetworkPolicy, _ settings: WorkloadSettings
    ) -> [NetworkPolicyObject.Egress] {
        let names = NetworkPolicyObject.Egress(
            to: [peer(settings.nameServers)],
            ports: [.init(port: 53, protocol: "UDP"), .init(port: 53, protocol: "TCP")])
        switch network {
        case .none: return []
        case .internet:
            let closed =
                (SpecialRanges.neverReachable + SpecialRanges.private).map(\.description) + settings.clusterRanges
            return [names, .init(to: [.init(ipBlock: .init(cidr: "0.0.0.0/0", except: closed))])]
        case .ranges(let ranges):
            return [names]
                + (ranges.isEmpty ? [] : [.init(to: ranges.map { .init(ipBlock: .init(cidr: $0.description)) })])
        }
    }

    private static func peer(_ peers: WorkloadSettings.Peers) -> NetworkPolicyObject.Peer {
        NetworkPolicyObject.Peer(
            namespaceSelector: LabelSelector(matchLabels: ["kubernetes.io/metadata.name": peers.namespace]),
            podSelector: LabelSelector(matchLabels: peers.labels))
    }
}

import Contract
import Kubernetes

/// The objects that run one serving revision. A pure function of the revision and the settings: what is applied twice is the same.
package struct RevisionObjects: Sendable, Hashable {
    /// The Pods.
    package let deployment: Deployment
    /// What their addresses are found by: EndpointSlices carry the labels of their Service.
    package let service: KubernetesService
    /// How many Pods there are.
    package let autoscaler: HorizontalPodAutoscaler
    /// Whom they may talk to.
    package let networkPolicy: NetworkPolicyObject

    /// The port's name in Pods and Services.
    static let portName = FunctionLabels.port
    /// The port that the base image listens on (`DENO_SERVE_ADDRESS`).
    static let port = 8000
    /// The user of the base image, who owns nothing in it.
    static let user = 65532
    /// The container's name.
    static let container = "function"

    /// What runs `revision`; its end is the end of `owner`. Without `replicas` the number of Pods stays what another manager has made it:
    /// it is given once, at creation, and then through `/scale`.
    package init(_ revision: Revision, owner: OwnerReference?, replicas: Int?, settings: WorkloadSettings) {
        let name = Self.name(revision.id)
        let metadata = ObjectMeta(
            name: name, namespace: settings.namespace, labels: Self.labels(revision.id),
            ownerReferences: owner.map { [$0] })
        let selector = Self.selector(revision.id)
        deployment = Deployment(
            metadata: metadata,
            spec: Deployment.Spec(
                replicas: replicas, selector: LabelSelector(matchLabels: selector),
                template: Self.template(revision, selector, settings),
                strategy: .init(type: "RollingUpdate", rollingUpdate: .init(maxUnavailable: 0, maxSurge: 1)),
                progressDeadlineSeconds: settings.progressSeconds, revisionHistoryLimit: 1))
        service = KubernetesService(
            metadata: metadata,
            spec: KubernetesService.Spec(
                clusterIP: "None", selector: selector,
                ports: [.init(name: Self.portName, port: Self.port, targetPort: Self.portName)]))
        autoscaler = HorizontalPodAutoscaler(
            metadata: metadata, spec: Self.scaling(of: revision.spec, deployment: name, settings))
        networkPolicy = NetworkPolicyObject(
            metadata: metadata, spec: Self.network(revision.spec.network, selector, settings))
    }

    /// The name of all of a revision's objects: at most 40 + 2 + 19 characters, of the 63 of a label.
    package static func name(_ revision: RevisionID) -> String { "\(revision.function)-r\(revision.number)" }

    /// The labels by which a revision's Pods are found.
    package static func selector(_ revision: RevisionID) -> [String: String] {
        ["kiln.dev/function": revision.function.value, "kiln.dev/revision": String(revision.number)]
    }

    /// The labels of a revision's objects (kubernetes.io, "Recommended Labels").
    package static func labels(_ revision: RevisionID) -> [String: String] {
        selector(revision).merging([
            "app.kubernetes.io/name": revision.function.value, "app.kubernetes.io/instance": name(revision),
            "app.kubernetes.io/version": String(revision.number), "app.kubernetes.io/component": "function",
            "app.kubernetes.io/part-of": "kiln", "app.kubernetes.io/managed-by": "kiln",
        ]) { own, _ in own }
    }
}

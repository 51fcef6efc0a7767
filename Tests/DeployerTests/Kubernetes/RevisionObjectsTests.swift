import Contract
import FoundationEssentials
import Service
import Support
import Testing

@testable import Deployer
@testable import Kubernetes

@Suite struct RevisionObjectsTests {
    static let settings = WorkloadSettings(
        namespace: "functions",
        routers: .init(namespace: "kiln-system", labels: ["app.kubernetes.io/component": "router"]))
    static let owner = OwnerReference(
        apiVersion: "kiln.dev/v1alpha1", kind: "FunctionRevision", name: "hello-r3", uid: "u", isController: true)

    static func revision(
        _ name: String = "hello", _ number: Int = 3, _ change: (inout FunctionSpec) throws -> Void = { _ in }
    ) throws -> Revision {
        var spec = FunctionSpec()
        try change(&spec)
        return Revision(
            function: try FunctionName(name), number: number,
            image: PinnedImage(
                registry: "registry:5000", repository: "kiln/\(name)",
                digest: try Digest("sha256:" + String(repeating: "a", count: 64))), spec: spec,
            created: Timestamp(milliseconds: 0))
    }

    static func objects(
        _ revision: Revision, replicas: Int? = 1, _ change: (inout WorkloadSettings) -> Void = { _ in }
    ) -> RevisionObjects {
        var settings = settings
        change(&settings)
        return RevisionObjects(revision, owner: owner, replicas: replicas, settings: settings)
    }

    /// Revisions of every kind, for what holds for all of them.
    static func all() throws -> [RevisionObjects] {
        let longest = String(repeating: "f", count: FunctionName.maximumLength)
        return [
            objects(try revision()), objects(try revision(), replicas: nil),
            objects(try revision(longest, 1_000_000) { $0.network = .none }) { $0.pullSecrets = ["pull"] },
            objects(
                try revision {
                    $0.network = try NetworkPolicy("198.51.100.0/24,203.0.113.7")
                    $0.environment = ["B": "2", "A": "", "DENO_V8_FLAGS": "mine"]
                    $0.secrets = ["KEY", "B"]
                    $0.minimumInstances = 2
                    $0.maximumInstances = 2
                    $0.cpuMillicores = 50
                    $0.memoryBytes = 64 << 20
                }
            ) { $0.clusterRanges = ["198.51.100.0/24"] },
        ]
    }

    static func json(_ all: [RevisionObjects]) throws -> String {
        let texts = try all.flatMap { objects in
            [
                try JSON.encode(Envelope(object: objects.deployment)),
                try JSON.encode(Envelope(object: objects.service)),
                try JSON.encode(Envelope(object: objects.autoscaler)),
                try JSON.encode(Envelope(object: objects.networkPolicy)),
            ].map { String(decoding: $0, as: UTF8.self) }
        }
        return "[\(texts.joined(separator: ","))]"
    }

    @Test func `all objects are what Kubernetes 1.29 to 1.37 describe`() async throws {
        #expect(try await kubernetesFaults(of: try Self.json(try Self.all())) == [])
        let function = FunctionObject(
            metadata: ObjectMeta(name: "hello", namespace: "functions"),
            spec: .init(image: "r/x@sha256:0", configuration: FunctionSpec()))
        let long = String(repeating: "é", count: 2000)
        let event = EventObject(
            of: function, .warning, "RollOutFailed", long, instance: "d", at: Timestamp(milliseconds: 0))
        #expect(event.message.utf8.count <= EventObject.messageLimit)
        let text = String(decoding: try JSON.encode(Envelope(object: event)), as: UTF8.self)
        #expect(try await kubernetesFaults(of: "[\(text)]") == [])
        let wrong = #"[{"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"prots":[]}}]"#
        #expect(try await kubernetesFaults(of: wrong).count >= 9, "one for each release")
    }

    @Test func `all objects are accepted by the server, and applied again they change nothing`() async throws {
        try await withKubernetes { server in
            let api = try server.api()
            for var objects in try Self.all() {
                objects = RevisionObjects(
                    try Self.revision(String(objects.deployment.key.name.prefix { $0 != "-" })), owner: nil,
                    replicas: 1,
                    settings: Self.settings)
                func twice<Object: KubernetesObject>(_ object: Object) async throws {
                    let made = try await api.apply(object)
                    #expect(
                        try await api.apply(object).object.metadata.resourceVersion
                            == made.object.metadata.resourceVersion)
                }
                try await twice(objects.deployment)
                try await twice(objects.service)
                try await twice(objects.autoscaler)
                try await twice(objects.networkPolicy)
            }
        }
    }

    @Test func `names fit into 63 characters and tell revisions apart`() throws {
        for objects in try Self.all() {
            let metadata = [
                objects.deployment.metadata, objects.service.metadata, objects.autoscaler.metadata,
                objects.networkPolicy.metadata,
            ]
            for meta in metadata {
                let name = try #require(meta.name)
                #expect(name.utf8.count <= 63)
                #expect(meta.labels?.values.allSatisfy { $0.utf8.count <= 63 } == true)
                #expect(meta.labels?["app.kubernetes.io/managed-by"] == "kiln")
                #expect(meta.namespace == "functions")
                #expect(meta.ownerReferences == [Self.owner])
            }
        }
        let longest = RevisionID(function: try FunctionName(String(repeating: "f", count: 40)), number: .max)
        #expect(RevisionObjects.name(longest).utf8.count <= 63)
    }

    @Test func `Pods are what Pod Security restricted demands, and see nothing of the cluster`() throws {
        for objects in try Self.all() {
            let pod = try #require(objects.deployment.spec?.template.spec)
            #expect(pod.securityContext?.runAsNonRoot == true)
            #expect(pod.securityContext?.runAsUser == 65532)
            #expect(pod.securityContext?.seccompProfile?.type == "RuntimeDefault")
            #expect(pod.automountServiceAccountToken == false)
            #expect(pod.enableServiceLinks == false)
            let container = try #require(pod.containers.first)
            #expect(container.securityContext?.allowPrivilegeEscalation == false)
            #expect(container.securityContext?.readOnlyRootFilesystem == true)
            #expect(container.securityContext?.capabilities?.drop == ["ALL"])
            #expect(container.image.contains("@sha256:"))
            #expect(container.resources?.limits?["memory"] == container.resources?.requests?["memory"])
            #expect(objects.deployment.spec?.strategy?.rollingUpdate?.maxUnavailable == 0)
            #expect(objects.service.spec?.clusterIP == "None")
        }
    }

    @Test func `the environment is sorted, secrets count more than variables, and the heap is Kiln's affair`() throws {
        let spec = try Self.all()[3].deployment.spec
        let variables = try #require(spec?.template.spec.containers.first?.env)
        #expect(variables.map(\.name) == ["A", "B", "DENO_V8_FLAGS", "KEY"])
        #expect(variables[0].value == "")
        #expect(variables[1].valueFrom?.secretKeyRef == .init(name: "kiln-secrets", key: "B"))
        #expect(variables[1].value == nil)
        #expect(variables[2].value == "--max-heap-size=16")
    }

    @Test func `Pods listen on IPv6 where they are called by it, and as their image says elsewhere`() throws {
        for callsIPv6 in [false, true] {
            let objects = Self.objects(try Self.revision { _ in }) { $0.callsIPv6 = callsIPv6 }
            let variables = objects.deployment.spec?.template.spec.containers.first?.env ?? []
            let address = variables.first { $0.name == "DENO_SERVE_ADDRESS" }?.value
            #expect(address == (callsIPv6 ? "tcp:[::]:8000" : nil))
        }
    }

    @Test(arguments: [
        (NetworkPolicy.none, [String](), [String]()),
        (.internet, ["0.0.0.0/0"], ["10.0.0.0/8", "169.254.0.0/16", "198.51.0.0/16"]),
    ])
    func `a function reaches`(network: NetworkPolicy, ranges: [String], closed: [String]) throws {
        let objects = Self.objects(try Self.revision { $0.network = network }) { $0.clusterRanges = ["198.51.0.0/16"] }
        let policy = try #require(objects.networkPolicy.spec)
        #expect(policy.policyTypes == ["Ingress", "Egress"])
        let from = try #require(policy.ingress?.first?.from.first)
        #expect(from.namespaceSelector?.matchLabels == ["kubernetes.io/metadata.name": "kiln-system"])
        #expect(from.podSelector?.matchLabels == ["app.kubernetes.io/component": "router"])
        let egress = try #require(policy.egress)
        let blocks = egress.flatMap(\.to).compactMap(\.ipBlock)
        #expect(blocks.map(\.cidr) == ranges)
        #expect(closed.allSatisfy { range in blocks.allSatisfy { $0.except?.contains(range) == true } })
        #expect(egress.flatMap { $0.ports ?? [] }.map(\.port) == (network == .none ? [] : [53, 53]))
    }

    @Test func `named ranges are reached, and the name servers`() throws {
        let policy = try Self.all()[3].networkPolicy.spec
        let blocks = (policy?.egress ?? []).flatMap(\.to).compactMap(\.ipBlock?.cidr)
        #expect(blocks == ["198.51.100.0/24", "203.0.113.7/32"])
        #expect(policy?.egress?.count == 2)
    }

    @Test func `the autoscaler keeps to the function's bounds and aims at a share of the CPU limit`() throws {
        let revision = try Self.revision {
            $0.minimumInstances = 2
            $0.maximumInstances = 7
            $0.cpuMillicores = 500
        }
        let spec = try #require(Self.objects(revision).autoscaler.spec)
        #expect(spec.minReplicas == 2)
        #expect(spec.maxReplicas == 7)
        #expect(spec.metrics.first?.resource.target.averageValue == "350m")
        #expect(spec.scaleTargetRef.name == "hello-r3")
        #expect(RevisionObjects.firstReplicas(revision.spec) == 2)
        #expect(Self.objects(revision, replicas: nil).deployment.spec?.replicas == nil)
    }
}

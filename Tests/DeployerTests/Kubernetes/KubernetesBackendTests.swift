import Contract
import Logging
import Support
import Testing

@testable import Deployer
@testable import Kubernetes

/// The backend on an API server in memory, with simulated nodes.
@Suite struct KubernetesBackendTests {
    @Test(.timeLimit(.minutes(3))) func `a workload is rolled out, found, scaled, and leaves nothing`() async throws {
        try await withBackend { cluster in
            let workload = try cluster.workload("hello", 1) { $0.minimumInstances = 2 }
            try await cluster.backend.rollOut(workload)
            let status = try #require(await cluster.backend.status(of: workload.id))
            #expect(status.ready == 2 && status.desired == 2 && status.restarts == 0 && status.lastFailure == nil)
            let endpoints = try await cluster.endpoints(of: workload.id) { $0.count == 2 }
            #expect(endpoints.allSatisfy { if case .tcp(_, 8000) = $0.address { true } else { false } })

            // The autoscaler's number is nobody else's to change.
            await cluster.backend.scale(workload.id, to: 3) { _ in }
            _ = try await cluster.endpoints(of: workload.id) { $0.count == 3 }
            try await cluster.backend.rollOut(workload)
            let name = RevisionObjects.name(try #require(workload.revisionID))
            #expect(try await cluster.api.get(Deployment.self, name, in: "functions")?.spec?.replicas == 3)

            await cluster.backend.retire(workload.id)
            _ = try await cluster.endpoints(of: workload.id) { $0.isEmpty }
            #expect(await cluster.backend.status(of: workload.id) == nil)
            #expect(try await cluster.leftovers() == [])
        }
    }

    /// What keeps a function from coming up, and what the deploy is told.
    static let failures: [(SimulatedNodes.Fate, RolloutFailure.Code, String, [String])] = [
        (
            .crashes(
                code: 1, reason: "Error",
                log: "2026-11-22T10:00:00.1Z booting\n2026-11-22T10:00:00.2Z error: no such thing"),
            .crashed, "exit code 1", ["booting", "error: no such thing"]
        ),
        (
            .crashesUntold(code: 1, log: "2026-11-22T10:00:00.1Z booting\n2026-11-22T10:00:00.2Z error: no such thing"),
            .crashed, "exit code 1", ["booting", "error: no such thing"]
        ),
        (.crashes(code: 137, reason: "OOMKilled", log: ""), .outOfMemory, "out of memory", []),
        (
            .waits(reason: "ImagePullBackOff", message: "Back-off pulling image \"r/x\""), .image,
            "Back-off pulling image", []
        ),
        (
            .waits(reason: "CreateContainerConfigError", message: "secret \"kiln-secrets\" not found"), .secretMissing,
            "secret \"kiln-secrets\" not found", []
        ),
        (.unschedulable("0/3 nodes are available: 3 Insufficient memory."), .noRoom, "3 Insufficient memory.", []),
        (.refused("pods \"x\" is forbidden: exceeded quota: small"), .platform, "exceeded quota: small", []),
        (.silent, .timedOut, "in time", []),
    ]

    @Test(.timeLimit(.minutes(3)), arguments: failures.indices)
    func `a function that does not come up says why and leaves nothing`(index: Int) async throws {
        let (fate, code, text, logs) = Self.failures[index]
        try await withBackend { cluster in
            let old = try cluster.workload("hello", 1)
            try await cluster.backend.rollOut(old)
            cluster.nodes.set("hello-r2", fate)
            let failure = await #expect(throws: RolloutFailure.self) {
                try await cluster.backend.rollOut(cluster.workload("hello", 2))
            }
            #expect(failure?.code == code, "\(String(describing: failure))")
            #expect(failure?.message.contains(text) == true, "\(String(describing: failure))")
            #expect(failure?.logs == logs)
            // The old revision goes on; of the new one nothing is left.
            #expect(await cluster.backend.status(of: old.id)?.ready == 1)
            #expect(try await cluster.leftovers().allSatisfy { $0.hasSuffix("hello-r1") })
        }
    }

    @Test(.timeLimit(.minutes(3))) func `another Deployer adopts what runs, without a call for what is unchanged`()
        async throws
    {
        try await withBackend { cluster in
            let kept = try cluster.workload("kept", 1)
            let changed = try cluster.workload("changed", 1)
            for workload in [kept, changed, try cluster.workload("stray", 1)] {
                try await cluster.backend.rollOut(workload)
            }
            let other = cluster.another()
            _ = try await cluster.server.order(.look(forget: true))
            var edited = changed
            edited.spec.memoryBytes += 1 << 20
            let lost = try cluster.workload("lost", 1)
            let parked = try cluster.workload("parked", 1)
            #expect(
                try await other.adopt([kept, edited, lost, parked], parkable: [kept.id, parked.id]) == [parked.id])
            try await waitUntil("the lost one runs") { await other.status(of: lost.id)?.ready == 1 }
            #expect(await other.status(of: kept.id)?.ready == 1)
            try await waitUntil("the stray one is gone") {
                try await cluster.leftovers().allSatisfy { !$0.contains("stray") && !$0.contains("parked") }
            }
            try await waitUntil("the changed one is brought in line") {
                try await cluster.server.order(.look()).log.contains { $0.contains("deployments/changed-r1") }
            }
            let log = try await cluster.server.order(.look()).log
            #expect(log.contains { $0.contains("functionrevisions/changed-r1") }, "\(log)")
            #expect(!log.contains { $0.contains("functionrevisions/kept-r1") }, "\(log)")
            let writes = log.filter { $0.contains("fieldManager=kiln") }
            #expect(!writes.contains { $0.contains("kept-r1") }, "\(writes)")
            #expect(writes.contains { $0.contains("deployments/changed-r1") })
        }
    }

    @Test(.timeLimit(.minutes(3))) func `what is parked keeps its objects, and is found parked by another Deployer`()
        async throws
    {
        try await withBackend { cluster in
            let workload = try cluster.workload("hello", 1) { $0.minimumInstances = 2 }
            let settled = try cluster.workload("settled", 1)
            for one in [workload, settled] {
                try await cluster.backend.rollOut(one)
                await cluster.backend.park(one.id)
                #expect(await cluster.backend.status(of: one.id)?.ready == 0)
            }
            let name = RevisionObjects.name(try #require(workload.revisionID))
            #expect(try await cluster.api.get(Deployment.self, name, in: "functions")?.spec?.replicas == 0)

            let other = cluster.another()
            // The second may no longer be parked.
            #expect(try await other.adopt([workload, settled], parkable: [workload.id]) == [workload.id])
            try await waitUntil("what may not be parked runs") { await other.status(of: settled.id)?.ready == 1 }
            #expect(try await cluster.api.get(Deployment.self, name, in: "functions")?.spec?.replicas == 0)

            _ = try await cluster.server.order(.look(forget: true))
            try await other.rollOut(workload)
            #expect(await other.status(of: workload.id)?.ready == 2)
            let writes = try await cluster.server.order(.look()).log.filter {
                $0.contains("fieldManager=kiln") && $0.contains("hello-r1")
            }
            #expect(writes.count == 1 && writes.allSatisfy { $0.contains("deployments/hello-r1/scale") }, "\(writes)")
        }
    }

    @Test(.timeLimit(.minutes(3))) func `endpoints are told again after the server was away`() async throws {
        try await withBackend { cluster in
            let workload = try cluster.workload("hello", 1)
            try await cluster.backend.rollOut(workload)
            try await cluster.server.order(.down(true))
            try await cluster.server.order(.cutWatches)
            #expect(await cluster.backend.status(of: workload.id)?.ready == 1, "what ran is not forgotten")
            try await cluster.server.order(.down(false))
            await cluster.backend.scale(workload.id, to: 2) { _ in }
            _ = try await cluster.endpoints(of: workload.id) { $0.count == 2 }
        }
    }

    @Test(.timeLimit(.minutes(3))) func `logs of all Pods come in order, go on, and tell of the crash before`()
        async throws
    {
        try await withBackend { cluster in
            let workload = try cluster.workload("hello", 1)
            try await cluster.backend.rollOut(workload)
            let function = try FunctionName("hello")
            let pods = try await cluster.api.list(Pod.self, Selection(namespace: "functions")).items
            let pod = try #require(pods.first).key.name
            let times = (1...4).map { "2026-11-22T10:00:0\($0).5Z" }
            try await cluster.annotate(
                pod, ["test/log": "\(times[1]) b\n\(times[2]) c", "test/previous-log": "\(times[0]) a"])

            var read = try await first(of: await cluster.backend.logs(of: function, LogQuery(tail: 10)))
            #expect(read.map(\.message) == ["b", "c"])
            #expect(read.allSatisfy { $0.instance == pod && $0.revision == 1 })
            read = try await first(of: await cluster.backend.logs(of: function, LogQuery(tail: 1)))
            #expect(read.map(\.message) == ["c"])

            // A stream that ends with its container goes on with the next run, without a repetition.
            var messages: [String] = []
            for await lines in await cluster.backend.logs(of: function, LogQuery(tail: 1, follow: true)) {
                messages += lines.map(\.message)
                if messages == ["c"] {
                    try await cluster.annotate(pod, ["test/ended": "1"])
                    try await cluster.annotate(
                        pod, ["test/log": "\(times[1]) b\n\(times[2]) c\n\(times[3]) d"])
                }
                if messages.contains("d") { break }
            }
            #expect(messages == ["c", "d"])
        }
    }

    private func first(of stream: AsyncStream<[LogLine]>) async throws -> [LogLine] {
        for await lines in stream { return lines }
        return []
    }
}

/// A cluster in memory, and a backend on it.
private struct SimulatedCluster: Sendable {
    let server: KubernetesFixture
    let api: APIClient
    let nodes: SimulatedNodes
    let backend: KubernetesBackend
    private let told = EndpointRecord()

    init(_ server: KubernetesFixture) throws {
        self.server = server
        api = try server.api()
        nodes = SimulatedNodes(try server.api())
        backend = Self.backend(api)
    }

    static func backend(_ api: APIClient) -> KubernetesBackend {
        var timing = KubernetesBackend.Timing()
        timing.patience = .milliseconds(300)
        timing.look = .milliseconds(50)
        var settings = RevisionObjectsTests.settings
        settings.progressSeconds = 3
        return KubernetesBackend(api, settings: settings, timing: timing, logger: Logger(label: "test"))
    }

    func another() -> KubernetesBackend { Self.backend(api) }

    func workload(_ name: String, _ number: Int, _ change: (inout FunctionSpec) -> Void = { _ in }) throws -> Workload {
        Workload(try RevisionObjectsTests.revision(name, number, change))
    }

    func record() async {
        for await case .endpoints(let id, let endpoints) in backend.events { await told.note(id, endpoints) }
    }

    func endpoints(of id: WorkloadID, _ condition: @escaping @Sendable ([Endpoint]) -> Bool) async throws -> [Endpoint]
    {
        try await waitUntil("the endpoints of \(id.text) are told") { condition(await told.endpoints(of: id)) }
        return await told.endpoints(of: id)
    }

    func annotate(_ pod: String, _ annotations: [String: String]) async throws {
        let note = PodNote(metadata: ObjectMeta(name: pod, namespace: "functions", annotations: annotations))
        _ = try await api.apply(
            note, manager: annotations.keys.sorted().joined(separator: "-").replacing("/", with: "-"))
    }

    /// `kind/name` of all objects of functions.
    func leftovers() async throws -> [String] {
        func names<Object: KubernetesObject>(_ type: Object.Type) async throws -> [String] {
            try await api.list(type, Selection(namespace: "functions")).items
                .map { "\(Object.resource.plural)/\($0.key.name)" }
        }
        return try await names(Deployment.self) + names(KubernetesService.self) + names(HorizontalPodAutoscaler.self)
            + names(NetworkPolicyObject.self)
    }

    private struct PodNote: KubernetesObject {
        static let resource = Pod.resource
        var metadata: ObjectMeta
    }
}

private actor EndpointRecord {
    private var endpoints: [WorkloadID: [Endpoint]] = [:]

    func note(_ id: WorkloadID, _ new: [Endpoint]) { endpoints[id] = new }
    func endpoints(of id: WorkloadID) -> [Endpoint] { endpoints[id] ?? [] }
}

private func withBackend(_ body: @Sendable (SimulatedCluster) async throws -> Void) async throws {
    try await withKubernetes(manifests: ["k8s/base/functions.yaml", "k8s/base/functionrevisions.yaml"]) { server in
        let cluster = try SimulatedCluster(server)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await cluster.nodes.run() }
            group.addTask { await cluster.record() }
            try await body(cluster)
            group.cancelAll()
        }
    }
}

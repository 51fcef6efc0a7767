import Foundation
import Kubernetes
import Support
import Testing
import Transfer

/// What a deploy says on a cluster whose Pods do not come up: each failure in the words in which a real cluster told of it, from the POST
/// to the answer, the object and its Events.
@Suite(.serialized) struct ClusterFailureTests {
    /// A failure, and what is said of it.
    struct Case: Sendable {
        var name: String
        var fate: SimulatedNodes.Fate
        var status: Int
        var type: String
        /// The reason of the condition.
        var reason: String
        /// What the answer contains.
        var says: [String]
    }

    private static let digest = String(repeating: "0", count: 64)
    private static let soft = """
        pods "soft-9d8b94dcd-chp8l" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false \
        (container "function" must set securityContext.allowPrivilegeEscalation=false)
        """

    static let cases = [
        Case(
            name: "pull",
            fate: .waits(
                reason: "ImagePullBackOff",
                message: "Back-off pulling image \"registry:5000/testapp@sha256:\(digest)\": ErrImagePull: rpc error: "
                    + "code = NotFound desc = failed to pull and unpack image"),
            status: 502, type: "image-failed", reason: "ImageFailed", says: ["ImagePullBackOff", "code = NotFound"]),
        Case(
            name: "crash",
            fate: .crashes(
                code: 3, reason: "Error",
                log: "2026-11-22T10:00:00.000000001Z starting\n2026-11-22T10:00:00.000000002Z the database is away"),
            status: 422, type: "start-failed", reason: "Crashed", says: ["exit code 3", "the database is away"]),
        Case(
            name: "memory", fate: .crashes(code: 137, reason: "OOMKilled", log: ""), status: 422, type: "start-failed",
            reason: "OutOfMemory", says: ["out of memory"]),
        Case(
            name: "command",
            fate: .crashes(
                code: 128, reason: "StartError", log: "",
                message:
                    "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create "
                    + "failed: unable to start container process: exec: \"/no/such\": stat /no/such: no such file or directory"
            ),
            status: 503, type: "platform-failed", reason: "PlatformFailed",
            says: ["could not be started", "stat /no/such: no such file"]),
        Case(
            name: "quota",
            fate: .refused(
                "pods \"q-7cd598b8fd-27rtk\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"
            ), status: 503, type: "platform-failed", reason: "PlatformFailed",
            says: ["exceeded quota: q", "used: pods=2"]
        ),
        Case(
            name: "security", fate: .refused(soft), status: 503, type: "platform-failed", reason: "PlatformFailed",
            says: ["violates PodSecurity", "restricted:latest"]),
        Case(
            name: "room",
            fate: .unschedulable(
                "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available"
            ),
            status: 503, type: "no-room", reason: "NoRoom", says: ["No node of the cluster", "1 Insufficient cpu"]),
        Case(
            name: "secret",
            fate: .waits(
                reason: "CreateContainerConfigError",
                message: "couldn't find key API_KEY in Secret kiln-functions/kiln-secrets"),
            status: 422, type: "secret-missing", reason: "SecretMissing", says: ["API_KEY"]),
        Case(
            name: "configuration",
            fate: .waits(
                reason: "CreateContainerConfigError",
                message: "container has runAsNonRoot and image will run as root (pod: \"root-598645bbf5-vb95p_fail\")"),
            status: 503, type: "platform-failed", reason: "PlatformFailed", says: ["image will run as root"]),
        Case(
            name: "deadline", fate: .late, status: 422, type: "start-failed", reason: "TimedOut",
            says: ["did not become ready in time"]),
    ]

    @Test(.timeLimit(.minutes(5)))
    func `each way to fail is answered with its reason, noted, and what was live goes on`() async throws {
        try await withCluster { cluster in
            try await cluster.withBuilder {
                try await eventually("the Builder takes deploys", within: .seconds(90)) {
                    try await Self.deploy(cluster, Self.cases[0].name, "one").status != 503
                }
                await withTaskGroup(of: Void.self) { group in
                    // Those that wait for room take the longest, and do not keep the others waiting.
                    for `case` in Self.cases {
                        group.addTask {
                            do {
                                try await Self.check(`case`, cluster)
                            } catch {
                                Issue.record("\(`case`.name): \(error)")
                            }
                        }
                    }
                }
            }
        }
    }

    private static func deploy(_ cluster: Cluster, _ name: String, _ text: String) async throws -> Answer {
        try await cluster.call(
            .post, "/func?name=\(name)&check=false", body: Array("export default () => new Response('\(text)');\n".utf8)
        )
    }

    private static func check(_ case: Case, _ cluster: Cluster) async throws {
        let name = `case`.name
        let first = try await deploy(cluster, name, "one")
        #expect(first.status < 300, "\(name): \(first.text)")
        cluster.nodes.set("\(name)-r2", `case`.fate)
        async let failing = deploy(cluster, name, "two of \(name)")
        let calls = Task {
            var failures: [String] = []
            while !Task.isCancelled {
                do {
                    if try await cluster.served(name) != "\(name)-r1" { failures.append("not served by revision 1") }
                } catch {
                    // A call that is under way at the end is broken off.
                    if !Task.isCancelled { throw error }
                }
                try? await Task.sleep(for: .milliseconds(100))
            }
            return failures
        }
        let answer = try await failing
        calls.cancel()
        #expect(try await calls.value == [], "\(name)")
        #expect(answer.status == `case`.status, "\(name): \(answer.text)")
        #expect(answer.json["type"] as? String == "urn:kiln:\(`case`.type)", "\(name): \(answer.text)")
        let said = (answer.json["detail"] as? String ?? "") + ((answer.json["logs"] as? [String]) ?? []).joined()
        for part in `case`.says { #expect(said.contains(part), "\(name): \(said)") }
        #expect(said.contains("What was live before keeps serving."), "\(name): \(said)")
        #expect(answer.headers["Retry-After"] != nil || answer.status != 503, "\(name)")

        try await eventually("\(name): the object tells so") {
            let function = try await cluster.function(name)
            return function?.condition("Degraded") == "True \(`case`.reason)" && function?.status?.live == 1
                && function?.condition("Ready") == "True Serving"
                && function?.condition("Progressing") == "False Failed"
        }
        let events = try await cluster.api.list(EventDocument.self, Selection(namespace: Cluster.functions)).items
        let failed = events.filter { $0.reason == "RollOutFailed" && $0.involvedObject?.name == name }
        #expect(failed.count == 1, "\(name): \(failed.count) Events")
        #expect(failed.first?.message?.contains("r2") == true, "\(name)")
        try await eventually("\(name): nothing of revision 2 is left") {
            try await cluster.api.get(DeploymentDocument.self, "\(name)-r2", in: Cluster.functions) == nil
        }
        #expect(try await cluster.served(name) == "\(name)-r1")
    }
}

import Contract
import Foundation
import Kubernetes
import Support
import Testing
import Transfer

/// The platform on Kubernetes, from the object or the POST to the answer of a function.
@Suite(.serialized) struct ClusterTests {
    @Test(.timeLimit(.minutes(3)))
    func `a function's object is rolled out, answers, is told of, and can be rolled back`() async throws {
        try await withCluster { cluster in
            try await cluster.apply("hello", image: "a")
            try await eventually("revision 1 answers") { try await cluster.served("hello") == "hello-r1" }
            try await eventually("the object tells so") {
                let function = try await cluster.function("hello")
                return function?.condition("Ready") == "True Serving" && function?.status?.live == 1
                    && function?.condition("Progressing") == "False Complete"
                    && function?.condition("Degraded") == "False AsWanted"
            }
            try await cluster.apply("hello", image: "b")
            try await eventually("revision 2 answers") { try await cluster.served("hello") == "hello-r2" }
            try await eventually("revision 1 has gone") {
                try await cluster.api.get(DeploymentDocument.self, "hello-r1", in: Cluster.functions) == nil
            }
            let back = try await cluster.call(.post, "/func/hello/rollback")
            #expect(back.status == 200, "\(back.text)")
            try await eventually("revision 1 answers again") { try await cluster.served("hello") == "hello-r1" }
            // What is wanted has not changed since: the rollback holds.
            try await Task.sleep(for: .seconds(2))
            #expect(try await cluster.served("hello") == "hello-r1")
            let events = try await cluster.api.list(EventDocument.self, Selection(namespace: Cluster.functions)).items
            #expect(events.filter { $0.reason == "RolledOut" && $0.involvedObject?.name == "hello" }.count == 3)

            // Each Deployer answers reads alike.
            let shown = try await cluster.call(.get, "/func/hello").json
            #expect(shown["revision"] as? Int == 1)
            #expect(shown["ready"] as? Int == 1)

            _ = try await cluster.api.delete(FunctionDocument.self, "hello", in: Cluster.functions)
            try await eventually("it is gone") { try await cluster.call(.get, "/fn/hello").status == 404 }
            try await eventually("nothing of it is left") {
                try await cluster.api.list(DeploymentDocument.self, Selection(namespace: Cluster.functions)).items
                    .isEmpty
            }
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `an image that fails keeps the old one serving, and no request fails while traffic moves`() async throws {
        try await withCluster { cluster in
            try await cluster.apply("hello", image: "a", min: 2)
            try await eventually("revision 1 answers") { try await cluster.served("hello") == "hello-r1" }
            cluster.nodes.set(
                "hello-r2", .waits(reason: "ImagePullBackOff", message: "Back-off pulling image \"r/x\""))
            let load = Task { try await Self.load(cluster, "hello") }
            try await cluster.apply("hello", image: "b", min: 2)
            try await eventually("the object tells why") {
                let function = try await cluster.function("hello")
                return function?.condition("Degraded") == "True ImageFailed" && function?.status?.live == 1
                    && function?.condition("Ready") == "True Serving"
            }
            #expect(try await cluster.served("hello") == "hello-r1")
            try await cluster.apply("hello", image: "c", min: 2)
            try await eventually("revision 3 answers") { try await cluster.served("hello") == "hello-r3" }
            try await eventually("revision 1 has gone") {
                try await cluster.api.get(DeploymentDocument.self, "hello-r1", in: Cluster.functions) == nil
            }
            load.cancel()
            let failures = try await load.value
            #expect(failures == [])
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `Pods that answer take over before their probe says so, and the old ones serve until others that are slow do`()
        async throws
    {
        try await withCluster { cluster in
            try await cluster.apply("hello", image: "a")
            try await eventually("revision 1 answers") { try await cluster.served("hello") == "hello-r1" }
            // Its probe never sees that it listens: a Router does.
            cluster.nodes.set("hello-r2", .unseen)
            let load = Task { try await Self.load(cluster, "hello") }
            try await cluster.apply("hello", image: "b")
            try await eventually("revision 2 answers") { try await cluster.served("hello") == "hello-r2" }
            try await eventually("the object tells so") {
                let function = try await cluster.function("hello")
                return function?.condition("Ready") == "True Serving" && function?.status?.live == 2
            }
            try await eventually("revision 1 has gone") {
                try await cluster.api.get(DeploymentDocument.self, "hello-r1", in: Cluster.functions) == nil
            }
            // Nothing listens there for a long time.
            cluster.nodes.set("hello-r3", .silent)
            try await cluster.apply("hello", image: "c")
            try await eventually("revision 3 is being rolled out") {
                try await cluster.api.get(DeploymentDocument.self, "hello-r3", in: Cluster.functions) != nil
            }
            for _ in 0..<20 {
                #expect(try await cluster.served("hello") == "hello-r2")
                try await Task.sleep(for: .milliseconds(200))
            }
            #expect(try await cluster.function("hello")?.status?.live == 2)
            cluster.nodes.set("hello-r3", .healthy)
            try await cluster.touch("hello-r3")
            try await eventually("revision 3 answers") { try await cluster.served("hello") == "hello-r3" }
            try await eventually("revision 2 has gone") {
                try await cluster.api.get(DeploymentDocument.self, "hello-r2", in: Cluster.functions) == nil
            }
            load.cancel()
            #expect(try await load.value == [])
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a leader that is killed in the middle of a roll-out is followed by one that goes on`() async throws {
        try await withCluster { cluster in
            try await cluster.apply("hello", image: "a")
            try await eventually("revision 1 answers") { try await cluster.served("hello") == "hello-r1" }
            cluster.nodes.set("hello-r2", .silent)
            try await cluster.apply("hello", image: "b")
            try await eventually("revision 2 is being rolled out") {
                try await cluster.api.get(DeploymentDocument.self, "hello-r2", in: Cluster.functions) != nil
            }
            let leader = try #require(try await cluster.leader())
            cluster.deployers[leader].kill()
            // Without a leader functions go on; the other takes over within the lease's time.
            #expect(try await cluster.served("hello") == "hello-r1")
            cluster.nodes.set("hello-r2", .healthy)
            try await eventually("the other leads", within: .seconds(15)) {
                try await cluster.leader() == 1 - leader
            }
            // The controller would see the Pods become ready; these nodes look when the Deployment changes.
            try await cluster.touch("hello-r2")
            try await eventually("revision 2 answers", within: .seconds(30)) {
                try await cluster.served("hello") == "hello-r2"
            }
            #expect(try await cluster.function("hello")?.status?.live == 2)
            let revisions = try await cluster.api.list(RevisionDocument.self, Selection(namespace: Cluster.functions))
                .items
            #expect(revisions.count == 2, "the roll-out is carried on, not begun again")
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a call that does not reach the leader is answered by the next one`() async throws {
        try await withCluster { cluster in
            try await cluster.apply("hello", image: "a")
            try await eventually("revision 1 answers") { try await cluster.served("hello") == "hello-r1" }
            try await cluster.apply("hello", image: "b")
            try await eventually("revision 2 answers") { try await cluster.served("hello") == "hello-r2" }
            let leader = try #require(try await cluster.leader())
            cluster.deployers[leader].kill()
            // A connection that the dying process still had taken breaks: of such a call nobody knows whether it was carried out.
            try await eventually("nobody listens there") {
                (try? await cluster.ask(deployer: leader, .get, "/healthz")) == nil
            }
            let answer = try await cluster.ask(deployer: 1 - leader, .post, "/func/hello/rollback?to=1")
            #expect(answer.status == 200, "\(answer.text)")
            #expect(try await cluster.leader() == 1 - leader)
            try await eventually("revision 1 answers again") { try await cluster.served("hello") == "hello-r1" }
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `traffic is divided between revisions until the object names another image`() async throws {
        try await withCluster { cluster in
            for (number, image) in zip(1..., ["a", "b"] as [Character]) {
                try await cluster.apply("hello", image: image)
                try await eventually("revision \(number) answers") {
                    try await cluster.served("hello") == "hello-r\(number)"
                }
            }
            let divided = try await cluster.call(.post, "/func/hello/traffic?to=1:50,2:50")
            #expect(divided.status == 200, "\(divided.text)")
            /// How often each answers; that one of two is not among 40 has a chance of one in 10^11.
            func answers() async throws -> [String: Int] {
                var found: [String: Int] = [:]
                for _ in 0..<40 { found[try await cluster.served("hello") ?? "none", default: 0] += 1 }
                return found
            }
            try await eventually("both answer") { Set(try await answers().keys) == ["hello-r1", "hello-r2"] }
            let found = try await answers()
            #expect(found["none"] == nil && (found["hello-r1"] ?? 0) > 4 && (found["hello-r2"] ?? 0) > 4, "\(found)")
            // Another Deployer carries it on.
            let leader = try #require(try await cluster.leader())
            cluster.deployers[leader].kill()
            try await eventually("the other leads", within: .seconds(15)) {
                try await cluster.leader() == 1 - leader
            }
            try await Task.sleep(for: .seconds(3))
            #expect(Set(try await answers().keys) == ["hello-r1", "hello-r2"])
            try await cluster.apply("hello", image: "c")
            try await eventually("revision 3 has it all", within: .seconds(30)) {
                try await answers() == ["hello-r3": 40]
            }
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `while the API server is away functions answer, and afterwards deploys go on`() async throws {
        try await withCluster { cluster in
            try await cluster.apply("hello", image: "a")
            try await eventually("revision 1 answers") { try await cluster.served("hello") == "hello-r1" }
            try await cluster.server.order(.down(true))
            try await cluster.server.order(.cutWatches)
            // As long as it takes until nobody leads; with `KILN_TEST_LONG` a minute.
            for _ in 0..<(isLong ? 120 : 20) {
                #expect(try await cluster.served("hello") == "hello-r1")
                try await Task.sleep(for: .milliseconds(500))
            }
            // The leader could not renew its lease, so nobody leads, and nobody pretends to.
            let refused = try await cluster.call(.post, "/func/hello/rollback?to=1")
            #expect(refused.status == 503, "\(refused.text)")
            try await cluster.server.order(.down(false))
            try await cluster.apply("hello", image: "b")
            try await eventually("revision 2 answers", within: .seconds(60)) {
                try await cluster.served("hello") == "hello-r2"
            }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a POST is built, recorded in the cluster and rolled out, and respects who else writes the object`()
        async throws
    {
        try await withCluster { cluster in
            try await cluster.withBuilder {
                let source = "export default () => new Response('one');\n"
                var deployed: Answer?
                try await eventually("the Builder takes deploys", within: .seconds(90)) {
                    let answer = try await cluster.call(
                        .post, "/func?name=hello&check=false", body: Array(source.utf8))
                    deployed = answer
                    return answer.status != 503
                }
                let answer = try #require(deployed)
                #expect(answer.status == 201, "\(answer.text)")
                let digest = try #require(answer.json["digest"] as? String)
                let answered = try await cluster.call(.get, "/fn/hello")
                #expect(answered.text.contains(digest), "the Pod runs the image that was built: \(answered.text)")
                let function = try #require(try await cluster.function("hello"))
                #expect(function.spec?.image.hasSuffix(digest) == true, "the object says what is wanted")
                #expect(function.status?.observedGeneration == function.metadata.generation)

                // Somebody else takes the image over; a POST names them, unless it is to take it back.
                try await cluster.apply("hello", image: "d", manager: "argocd")
                try await eventually("revision 2 answers") { try await cluster.served("hello") == "hello-r2" }
                let other = Array("export default () => new Response('two');\n".utf8)
                let refused = try await cluster.call(.post, "/func?name=hello&check=false", body: other)
                #expect(refused.status == 409, "\(refused.text)")
                #expect(refused.json["type"] as? String == "urn:kiln:foreign-owner")
                #expect(refused.text.contains("'argocd'"), "\(refused.text)")
                #expect(try await cluster.served("hello") == "hello-r2")
                let forced = try await cluster.call(.post, "/func?name=hello&check=false&force=true", body: other)
                #expect(forced.status == 201, "\(forced.text)")
                try await eventually("revision 3 answers") { try await cluster.served("hello") == "hello-r3" }
            }
        }
    }

    @Test(.timeLimit(.minutes(3)))
    func `a function that nobody calls is parked, and the next request starts it`() async throws {
        try await withCluster { cluster in
            var document = FunctionDocument(
                "hello", image: Cluster.image(cluster.registry, "hello", "a"), min: 1)
            document.spec?.configuration?.idle = 1
            _ = try await cluster.api.apply(document, manager: "kubectl")
            try await eventually("revision 1 answers") { try await cluster.served("hello") == "hello-r1" }
            try await eventually("it is parked", within: .seconds(30)) {
                let function = try await cluster.function("hello")
                let deployment = try await cluster.api.get(
                    DeploymentDocument.self, "hello-r1", in: Cluster.functions)
                return function?.condition("Ready") == "True Parked" && deployment?.spec?.replicas == 0
            }
            let answer = try await cluster.call(.get, "/fn/hello")
            #expect(answer.status == 200, "the request waits for the Pod: \(answer.text)\n\(cluster.logs)")
            // What is parked and no longer wanted goes.
            try await eventually("it is parked again", within: .seconds(30)) {
                try await cluster.function("hello")?.condition("Ready") == "True Parked"
            }
            try await cluster.apply("hello", image: "b")
            try await eventually("revision 2 answers") { try await cluster.served("hello") == "hello-r2" }
            try await eventually("revision 1 has gone") {
                try await cluster.api.get(DeploymentDocument.self, "hello-r1", in: Cluster.functions) == nil
            }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `secrets are kept in a Secret beside the functions, and never shown`() async throws {
        let namespaces = [Cluster.functions]
        try await withKubernetes(namespaces: namespaces) { server in
            try await withTemporaryDirectory { directory in
                let path = directory + "/kubeconfig"
                try Data(Cluster.kubeconfig(server.url).utf8).write(to: URL(filePath: path))
                func kiln(_ arguments: [String], input: String = "") async throws -> CommandResult {
                    try await Support.command(
                        Platform.program, ["secret"] + arguments + ["--kubernetes", "--kubeconfig", path],
                        input: Array(input.utf8))
                }
                for (name, value) in [("API_KEY", "first"), ("OTHER", "other"), ("API_KEY", "swordfish")] {
                    let stored = try await kiln(["set", name], input: value)
                    #expect(stored.succeeded, "\(stored.errors)")
                    #expect(stored.output.contains("Secret kiln-functions/kiln-secrets"), "\(stored.output)")
                    #expect(!(stored.output + stored.errors).contains(value))
                }
                let api = try server.api()
                let secret = try await api.get(SecretDocument.self, "kiln-secrets", in: Cluster.functions)
                let values = secret?.data?.mapValues {
                    Data(base64Encoded: $0).map { String(decoding: $0, as: UTF8.self) }
                }
                #expect(values == ["API_KEY": "swordfish", "OTHER": "other"])
                #expect(secret?.metadata.labels?["app.kubernetes.io/managed-by"] == "kiln")
                #expect(try await kiln(["list"]).output == "API_KEY\nOTHER\n")
                #expect(try await kiln(["rm", "API_KEY"]).succeeded)
                #expect(try await kiln(["list", "--json"]).output == #"{"secrets":[{"name":"OTHER"}]}"# + "\n")
                let missing = try await kiln(["rm", "API_KEY"])
                #expect(!missing.succeeded && missing.errors.contains("There is no secret 'API_KEY'"))
            }
        }
    }

    /// Calls `name` until the task is cancelled, and returns what was not answered 200.
    private static func load(_ cluster: Cluster, _ name: String) async throws -> [String] {
        var failures: [String] = []
        while !Task.isCancelled {
            let answer = try? await cluster.call(.get, "/fn/\(name)")
            if Task.isCancelled { break }
            if answer?.status != 200 { failures.append("\(answer?.status ?? 0) \(answer?.text ?? "no answer")") }
        }
        return failures
    }
}

extension Cluster {
    /// Changes a Deployment in a way that matters to nobody, so that the nodes look at it.
    func touch(_ name: String) async throws {
        let note = DeploymentDocument(
            metadata: ObjectMeta(name: name, namespace: Self.functions, annotations: ["test/touched": "1"]))
        _ = try await api.apply(note, manager: "touch")
    }
}

/// A Secret as far as a test looks at it.
struct SecretDocument: KubernetesObject {
    static let resource = APIResource(group: "", version: "v1", plural: "secrets", kind: "Secret")
    var metadata: ObjectMeta
    var data: [String: String]?
}

/// A Deployment as far as a test looks at it.
struct DeploymentDocument: KubernetesObject, Equatable {
    static let resource = APIResource(group: "apps", version: "v1", plural: "deployments", kind: "Deployment")
    struct Spec: Codable, Sendable, Equatable {
        var replicas: Int?
    }
    var metadata: ObjectMeta
    var spec: Spec?
}

/// A revision as far as a test looks at it.
struct RevisionDocument: KubernetesObject {
    static let resource = APIResource(
        group: "kiln.dev", version: "v1alpha1", plural: "functionrevisions", kind: "FunctionRevision")
    var metadata: ObjectMeta
}

import Foundation
import Testing
import Transfer

/// What a developer does with a function on a real cluster. Runs with `make test-kubernetes`.
@Suite(.serialized, .enabled(if: RealCluster.name != nil)) struct RealClusterDeployTests {
    private static func source(_ text: String) -> String { "export default () => new Response('\(text)');\n" }

    @Test(.timeLimit(.minutes(5)))
    func `a POST is answered when the function answers; the same again changes nothing`() async throws {
        try await withRealCluster { cluster, name in
            for text in ["one", "two"] {
                let began = ContinuousClock.now
                let answer = try await cluster.deploy(name, Self.source(text))
                let first = try await cluster.answer(name)
                print("from the POST to the first answer: \(began.duration(to: .now))")
                #expect(answer.status == 201, "\(answer.text)")
                #expect(first == text)
            }
            let same = try await cluster.deploy(name, Self.source("two"))
            #expect(same.status == 200 && same.json["unchanged"] as? Bool == true, "\(same.text)")
            let columns = try await RealCluster.kubectl("-n", cluster.functions, "get", "fn", name)
            let lines = columns.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            #expect(lines.first == ["NAME", "REVISION", "READY", "TRAFFIC", "URL", "AGE"], "\(columns)")
            #expect(lines.last?.dropLast() == [name, "2", "True", "r2=100%", "/fn/\(name)"], "\(columns)")
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a rollback goes back, a pin answers beside what is live, and a delete leaves nothing`() async throws {
        try await withRealCluster { cluster, name in
            try await cluster.mustDeploy(name, Self.source("one"))
            try await cluster.mustDeploy(name, Self.source("two"))
            let back = try await cluster.call(.post, "/func/\(name)/rollback")
            #expect(back.status == 200, "\(back.text)")
            #expect(try await cluster.answer(name) == "one")
            #expect(try await cluster.call(.get, "/fn/\(name)@2").status == 404)
            #expect(try await cluster.call(.post, "/func/\(name)/pin?revision=2").status < 300)
            #expect(try await cluster.call(.get, "/fn/\(name)@2").text == "two")
            #expect(try await cluster.answer(name) == "one")
            let kinds = "functions,functionrevisions,deployments,replicasets,pods,services,endpointslices,hpa,netpol"
            #expect(try await cluster.objects(kinds, of: name).count > 10)
            try await RealCluster.kubectl("-n", cluster.functions, "delete", "fn", name)
            try await eventually("it is not routed") { try await cluster.call(.get, "/fn/\(name)").status == 404 }
            try await eventually("nothing of it is left", within: .seconds(90)) {
                try await cluster.objects(kinds, of: name).isEmpty
            }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `kubectl apply deploys, and whose fields are whose is respected`() async throws {
        try await withRealCluster { cluster, name in
            let one = try await cluster.mustDeploy(name, Self.source("one"))
            try await cluster.mustDeploy(name, Self.source("two"))
            try await cluster.apply(name, image: one, ["cpuMillicores": 200])
            try await eventually("revision 3 answers", within: .seconds(60)) {
                try await cluster.answer(name) == "one"
            }
            let refused = try await cluster.deploy(name, Self.source("three"))
            #expect(refused.status == 409, "\(refused.text)")
            #expect(refused.json["type"] as? String == "urn:kiln:foreign-owner" && refused.text.contains("'kubectl'"))
            #expect(try await cluster.answer(name) == "one")
            #expect(try await cluster.deploy(name, Self.source("three"), "&force=true").status == 201)
            #expect(try await cluster.answer(name) == "three")

            let described = try await RealCluster.kubectl("-n", cluster.functions, "describe", "fn", name)
            #expect(described.contains("RolledOut") && described.contains("Revision r4 is live"), "\(described)")
            await #expect(throws: PlatformFailure.self, "a tag is no digest") {
                try await cluster.apply(name, image: "registry.example/kiln/x:latest")
            }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a function that nobody calls has no Pods, and the next call starts it`() async throws {
        try await withRealCluster { cluster, name in
            try await cluster.mustDeploy(name, Self.source("one"), "&idle=3s")
            #expect(try await cluster.answer(name) == "one")
            for _ in 1...2 {
                try await eventually("it is parked", within: .seconds(60)) {
                    try await cluster.get("deployment/\(name)-r1", "{.spec.replicas}") == "0"
                }
                try await eventually("it says so") {
                    try await cluster.condition("Ready", of: name).hasPrefix("True Parked")
                }
                try await eventually("the Pods have gone", within: .seconds(60)) {
                    try await cluster.objects("pods", of: name).isEmpty
                }
                let began = ContinuousClock.now
                #expect(try await cluster.answer(name) == "one")
                print("a call of a parked function took \(began.duration(to: .now))")
            }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `Pods can be added with kubectl, the autoscaler looks after their number, and Pod Security is kept`()
        async throws
    {
        try await withRealCluster { cluster, name in
            let source = "const id = crypto.randomUUID();\nexport default () => new Response(id);\n"
            try await cluster.mustDeploy(name, source, "&min=1&max=3")
            #expect(
                try await cluster.get("hpa/\(name)-r1", "{.spec.minReplicas} {.spec.maxReplicas}") == "1 3")
            try await RealCluster.kubectl(
                "-n", cluster.functions, "scale", "deployment/\(name)-r1", "--replicas=2")
            var seen: Set<String> = []
            try await eventually("both Pods answer", within: .seconds(60)) {
                seen.insert(try await cluster.answer(name))
                return seen.count == 2
            }
            let fields = "{.items[0].spec.securityContext.runAsNonRoot} {.items[0].spec.containers[0].securityContext}"
            let security = try await cluster.get("pods", fields)
            #expect(security.contains("true {") && security.contains("\"readOnlyRootFilesystem\":true"), "\(security)")
            // The namespace refuses whoever asks for more.
            await #expect(throws: PlatformFailure.self) {
                try await RealCluster.kubectl(
                    "-n", cluster.functions, "run", "root", "--image=localhost/none", "--privileged")
            }
        }
    }
}

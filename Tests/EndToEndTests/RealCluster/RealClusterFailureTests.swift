import Foundation
import Testing
import Transfer

/// What a developer is told when a function does not come up on a real cluster, and that what served before goes on. Runs with
/// `make test-kubernetes`.
@Suite(.serialized, .enabled(if: RealCluster.name != nil)) struct RealClusterFailureTests {
    private static let good = "export default () => new Response('one');\n"

    @Test(.timeLimit(.minutes(5)))
    func `code that does not check, crashes or eats memory is refused with the reason`() async throws {
        try await withRealCluster { cluster, name in
            let crash = "console.log('as far as here');\nthrow new Error('no way');\n"
            // A first deploy that fails leaves a function that says so.
            let first = try await cluster.deploy(name, crash + "export default () => new Response('');\n")
            #expect(first.status == 422 && first.json["type"] as? String == "urn:kiln:start-failed", "\(first.text)")
            #expect(first.text.contains("as far as here") && first.text.contains("no way"), "\(first.text)")
            try await eventually("its object says so") {
                let ready = try await cluster.condition("Ready", of: name)
                let degraded = try await cluster.condition("Degraded", of: name)
                return ready.hasPrefix("False NeverLive") && degraded.hasPrefix("True Crashed")
            }
            try await cluster.mustDeploy(name, Self.good)

            let wrong = try await cluster.deploy(
                name, "const n: number = 'x';\nexport default () => new Response('');\n")
            #expect(wrong.status == 422 && wrong.text.contains("\"diagnostics\""), "\(wrong.text)")
            #expect(wrong.text.contains("2322"), "\(wrong.text)")

            let greedy = """
                const all: Uint8Array[] = [];
                for (;;) all.push(new Uint8Array(1 << 20).fill(1));
                export default () => new Response(String(all.length));
                """
            let eaten = try await cluster.deploy(name, greedy, "&memory=128Mi&check=false")
            #expect(eaten.status == 422 && eaten.text.contains("out of memory"), "\(eaten.text)")
            #expect(try await cluster.condition("Degraded", of: name).hasPrefix("True OutOfMemory"))
            #expect(try await cluster.answer(name) == "one")
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a missing secret is named, and once it is set the same deploy works`() async throws {
        try await withRealCluster { cluster, name in
            let source = "export default () => new Response(Deno.env.get('API_KEY'));\n"
            try await cluster.withTool { tool in
                let missing = try await cluster.deploy(name, source, "&secret=API_KEY")
                #expect(missing.status == 422, "\(missing.text)")
                #expect(missing.json["type"] as? String == "urn:kiln:secret-missing", "\(missing.text)")
                let stored = try tool("secret", "set", "API_KEY", "--kubernetes", input: "swordfish")
                #expect(stored.code == 0, "\(stored.errors)")
                try await cluster.mustDeploy(name, source, "&secret=API_KEY")
                #expect(try await cluster.answer(name) == "swordfish")
                let listed = try tool("secret", "list", "--kubernetes")
                #expect(listed.output == "API_KEY\n", "\(listed.errors)")
                #expect(try tool("secret", "rm", "API_KEY", "--kubernetes").code == 0)
            }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `an image that no node can pull leaves the old one serving, and the object and its Events say why`()
        async throws
    {
        try await withRealCluster { cluster, name in
            let image = try await cluster.mustDeploy(name, Self.good)
            let bad = try #require(image.split(separator: "@").first) + "@sha256:" + String(repeating: "a", count: 64)
            try await cluster.apply(name, image: String(bad))
            try await eventually("its object says so", within: .seconds(90)) {
                try await cluster.condition("Degraded", of: name).hasPrefix("True ImageFailed")
            }
            #expect(try await cluster.answer(name) == "one")
            #expect(try await cluster.condition("Ready", of: name) == "True Serving Revision r1 serves.")
            let described = try await RealCluster.kubectl("-n", cluster.functions, "describe", "fn", name)
            #expect(described.contains("ImagePullBackOff"), "\(described)")
            try await eventually("the failed revision has no Pods", within: .seconds(60)) {
                try await cluster.objects("deployments", of: name) == ["deployment.apps/\(name)-r1"]
            }
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a quota that is used up is told of, and what serves goes on`() async throws {
        try await withRealCluster { cluster, name in
            try await cluster.mustDeploy(name, Self.good)
            try await RealCluster.kubectl("-n", cluster.functions, "create", "quota", "few", "--hard=pods=1")
            let refused = try await cluster.deploy(name, "export default () => new Response('two');\n")
            try await RealCluster.kubectl("-n", cluster.functions, "delete", "quota", "few")
            #expect(refused.status == 503 && refused.text.contains("exceeded quota: few"), "\(refused.text)")
            #expect(try await cluster.answer(name) == "one")
            try await cluster.mustDeploy(name, "export default () => new Response('three');\n")
            #expect(try await cluster.answer(name) == "three")
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a function for which no node has room is told of, and what serves goes on`() async throws {
        try await withRealCluster { cluster, name in
            let image = try await cluster.mustDeploy(name, Self.good)
            try await cluster.apply(name, image: image, ["memoryBytes": 1 << 50])
            try await eventually("its object says so", within: .seconds(90)) {
                try await cluster.condition("Degraded", of: name).hasPrefix("True NoRoom")
            }
            let degraded = try await cluster.condition("Degraded", of: name)
            #expect(degraded.contains("Insufficient memory"), "\(degraded)")
            #expect(try await cluster.answer(name) == "one")
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `logs are of all Pods, go on, and are there of a run that has ended`() async throws {
        try await withRealCluster { cluster, name in
            let source = """
                const id = crypto.randomUUID();
                console.log("start", id);
                export default (request: Request) => {
                    const { searchParams } = new URL(request.url);
                    console.log(id, searchParams.get("say"));
                    if (searchParams.has("exit")) setTimeout(() => Deno.exit(3), 50);
                    return new Response(id);
                };
                """
            try await cluster.mustDeploy(name, source, "&min=2")
            try await cluster.withTool { tool in
                let following = try tool.start(["logs", name, "-f"])
                defer { _ = following.end() }
                var ids: Set<String> = []
                try await eventually("both Pods answer") {
                    ids.insert(try await cluster.answer(name, "?say=hello"))
                    return ids.count == 2
                }
                try await eventually("what both printed is shown, as it happens", within: .seconds(20)) {
                    ids.allSatisfy { following.printed.contains("\($0) hello") }
                }
                let once = try tool("logs", name)
                #expect(ids.allSatisfy { once.output.contains("start \($0)") }, "\(once.output)\(once.errors)")
                let dead = try await cluster.answer(name, "?say=farewell&exit=1")
                try await eventually("it was started again", within: .seconds(60)) {
                    following.printed.split(separator: "\n").filter { $0.contains(" start ") }.count == 3
                }
                let previous = try tool("logs", name, "--previous")
                #expect(previous.output.contains("\(dead) farewell"), "\(previous.output)\(previous.errors)")
                let other = try #require(ids.subtracting([dead]).first)
                #expect(!previous.output.contains(other), "\(previous.output)")
            }
        }
    }
}

import Foundation
import Support
import Testing
import Transfer

/// The roles of a cluster with a registry that asks a token service, below a path of their own, as hosted ones do.
@Suite(.serialized) struct ClusterRegistryTests {
    private static func users(_ actions: String) -> String {
        #"{"kiln": {"password": "swordfish", "path": "acme/functions/", "actions": [\#(actions)]}}"#
    }

    private static func source(_ text: String) -> [UInt8] {
        Array("export default () => new Response('\(text)');".utf8)
    }

    @Test(.timeLimit(.minutes(5)))
    func `functions are deployed, rolled back and collected with tokens, and rights that are missing are named`()
        async throws
    {
        try await withPrivateRegistry { registry in
            try registry.prepareTokens(Self.users(#""pull", "push", "delete""#))
            // Of another host: as if the Secret were not there yet.
            try registry.login("swordfish", host: "elsewhere.test")
            let service = Platform.root + "/Tests/Support/token_service.py"
            try await withChildReady("python3", ["-u", service, registry.directory]) { port in
                let settings = PrivateRegistry.Settings(access: .token(port: port), hasTLS: false)
                try await registry.start(settings)
                try await withCluster(images: [
                    "--registry", registry.authority + "/acme/functions", "--registry-credentials",
                    registry.credentials,
                ]) { cluster in
                    try await cluster.withBuilder { try await Self.work(cluster, registry) }
                    for log in ["builder", "deployer-0", "deployer-1"] {
                        let text = try String(contentsOfFile: "\(cluster.directory)/\(log).log", encoding: .utf8)
                        #expect(!text.contains("swordfish") && !text.contains("Bearer ey"))
                    }
                }
            }
        }
    }

    private static func deploy(_ cluster: Cluster, _ text: String) async throws -> Answer {
        try await cluster.call(.post, "/func?name=hello&check=false", body: source(text))
    }

    private static func work(_ cluster: Cluster, _ registry: PrivateRegistry) async throws {
        // The token service gives anybody a token, and one that allows nothing to strangers.
        try await eventually("whoever deploys is told what is missing", within: .seconds(60)) {
            let answer = try await deploy(cluster, "one")
            return answer.status == 503
                && answer.text.contains("\(registry.credentials) has no credentials for \(registry.authority)")
        }
        try registry.login("swordfish")
        var first: Answer?
        try await eventually("the Builder takes deploys", within: .seconds(90)) {
            let answer = try await deploy(cluster, "one")
            first = answer
            return answer.status != 503
        }
        let answer = try #require(first)
        #expect(answer.status == 201, "\(answer.text)")
        let image = try #require(answer.json["image"] as? String)
        #expect(image.hasPrefix(registry.authority + "/acme/functions/hello@"))
        #expect(try await cluster.function("hello")?.spec?.image == image)
        try registry.skopeo(["inspect", "docker://\(image)"])
        for text in ["two", "three"] {
            let answer = try await deploy(cluster, text)
            #expect(answer.status == 201, "\(answer.text)")
        }
        try await eventually("revision 3 answers") { try await cluster.served("hello") == "hello-r3" }
        #expect(try await cluster.call(.post, "/func/hello/rollback").status == 200)
        try await eventually("revision 2 answers") { try await cluster.served("hello") == "hello-r2" }
        try await eventually("each revision has its tag") {
            try registry.tags("acme/functions/hello").filter { $0.hasPrefix("r") } == ["r1", "r2", "r3"]
        }

        // Without the right to delete nothing is lost, and the reason is told; with it, what is not needed goes.
        try registry.setUsers(users(#""pull", "push""#))
        try await eventually("collecting is refused", within: .seconds(60)) {
            let report = try await cluster.call(.post, "/gc?keep=0&keep-for=0s")
            return report.status == 502 && report.text.contains("do not allow this")
        }
        try registry.setUsers(users(#""pull", "push", "delete""#))
        try await eventually("revision 1 is collected", within: .seconds(60)) {
            let report = try await cluster.call(.post, "/gc?keep=0&keep-for=0s")
            // This account may not list all repositories.
            let tags = try registry.tags("acme/functions/hello").filter { $0.hasPrefix("r") }
            return report.text.contains("does not list its repositories") && tags == ["r2", "r3"]
        }
    }
}

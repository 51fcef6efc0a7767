import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// A Builder that makes again what it, or another, has made.
@Suite(.serialized) struct RebakeTests {
    private static func other(_ text: String) -> BaseRecipe {
        BaseRecipe(
            steps: smallRecipe.steps + [.init(createdBy: "test: \(text)", entries: [.file("\(text).txt", [])])])
    }

    @Test func `what is live is made again on another base, with its versions, and only there`() async throws {
        try await withRegistry { registry in
            try await withChecker { checker in
                let packages = [TestPackage("sum", "1.0.0", main: "module.exports = 1;")]
                let files = [
                    "main.ts":
                        "import sum from 'npm:sum@1';\nimport { a } from './a.ts';\nexport default () => new Response(a + sum);",
                    "a.ts": "export const a: string = 'a';",
                ]
                let body = try await RealTar.archive(files)
                let first = Log()
                let deployed = try await withNPMRegistry(packages) { url in
                    try await withBuilder(
                        recipe: smallRecipe, limits: BuilderAPI.Limits(),
                        imports: try DependencyTests.settings(npm: url), registry: registry, checker: checker
                    ) { builder in
                        #expect(try await builder.post("name=sums&memory=200Mi", body).status == 201)
                        let again = try await builder.call(.post, "/func/sums/rebake")
                        #expect(again.status == 200 && again.text.contains(#""unchanged":true"#), "\(again.text)")
                        #expect(builder.deployer.deploys.count == 1)
                        first.add(
                            String(decoding: try JSONEncoder().encode(builder.deployer.deploys[0]), as: UTF8.self))
                    }
                    return first.lines[0]
                }
                let before = try JSONDecoder().decode(DeployRequest.self, from: Data(deployed.utf8))
                let newer = packages + [TestPackage("sum", "1.1.0", main: "module.exports = 2;")]
                try await withNPMRegistry(newer) { url in
                    try await withBuilder(
                        recipe: Self.other("newer"), limits: BuilderAPI.Limits(),
                        imports: try DependencyTests.settings(npm: url), registry: registry, checker: checker
                    ) { builder in
                        builder.deployer.setLive(
                            Revision(
                                function: try FunctionName("sums"), number: 7, image: before.image, spec: before.spec,
                                created: Timestamp(milliseconds: 0)))
                        let dry = try await builder.call(.post, "/func/sums/rebake?dry-run=true")
                        #expect(dry.status == 200 && builder.deployer.deploys.isEmpty, "\(dry.text)")
                        let answer = try await builder.call(.post, "/func/sums/rebake")
                        #expect(answer.status == 201, "\(answer.text)")
                        let deploy = try #require(builder.deployer.deploys.first)
                        #expect(deploy.replaces == 7 && deploy.spec == before.spec)
                        #expect(dry.text.contains(deploy.image.digest.description))
                        let old = try await builder.registry.image("kiln/sums", .digest(before.image.digest))
                        let new = try await builder.latest()
                        #expect(
                            new.manifest.annotations?["dev.kiln.lock"] == old.manifest.annotations?["dev.kiln.lock"])
                        // The same code and packages, byte for byte, on three layers instead of two.
                        #expect(new.manifest.layers.last == old.manifest.layers.last)
                        #expect(new.manifest.layers[3] == old.manifest.layers[2])
                        #expect(
                            new.manifest.annotations?["org.opencontainers.image.base.digest"]
                                == builder.deployer.base?.digest.description)
                        let unknown = try await builder.call(.post, "/func/nobody/rebake")
                        #expect(unknown.status == 404)
                        let wrong = try await builder.call(.post, "/func/sums/rebake?memory=1Gi")
                        #expect(wrong.status == 400 && wrong.text.contains("memory"), "\(wrong.text)")
                    }
                }
            }
        }
    }

    @Test func `an update of the base image is for new deploys, and says whether it changed anything`() async throws {
        try await withBuilder { builder in
            let before = builder.deployer.base
            let answer = try await builder.call(.post, "/base")
            #expect(answer.status == 200 && answer.text.contains(#""unchanged":true"#), "\(answer.text)")
            #expect(builder.deployer.base == before)
            let tags = try await builder.registry.tags("kiln/base")
            #expect(tags.contains("current") && tags.count { $0.hasPrefix("t-") } == 1, "\(tags)")
            #expect(try await builder.call(.get, "/base").status == 405)
            #expect(try await builder.call(.post, "/base?x=1").status == 400)
        }
    }
}

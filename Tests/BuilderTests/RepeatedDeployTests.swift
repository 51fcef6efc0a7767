import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Deploys of a source that was built before.
@Suite(.serialized) struct RepeatedDeployTests {
    private static let files = RawTar.archive([
        ("deno.json", #"{ "imports": { "sums": "npm:sums@1" }, "nodeModulesDir": "auto" }"#),
        ("main.ts", "import { sum } from 'sums';\nexport default () => new Response(String(sum(1, 2)));"),
    ])
    private static let sums = TestPackage(
        "sums", "1.0.0", main: "exports.sum = (a, b) => a + b;", manifest: #"{"types":"index.d.ts"}"#,
        files: ["index.d.ts": "export declare function sum(a: number, b: number): number;"])

    @Test func `what was said of the configuration is said again, and what is baked without reading the image`()
        async throws
    {
        try await withNPMRegistry([Self.sums]) { npm in
            try await withRegistry { registry in
                try await withChecker { checker in
                    let imports = try DependencyTests.settings(npm: npm)
                    // Another Builder knows nothing of what was built before.
                    for isFirst in [true, false] {
                        try await withBuilder(
                            recipe: smallRecipe, limits: BuilderAPI.Limits(), imports: imports, registry: registry,
                            checker: checker
                        ) { builder in
                            let first = try await Self.deploy(builder)
                            #expect((first.timings["layer"] != nil) == isFirst)
                            let blob = try await Self.configuration(of: builder, in: registry)
                            let content = try Data(contentsOf: URL(filePath: blob))
                            try FileManager.default.removeItem(atPath: blob)
                            let second = try await Self.deploy(builder)
                            #expect(second.timings["layer"] == nil)
                            try content.write(to: URL(filePath: blob))
                            for answer in [first, second] {
                                #expect(answer.warnings == ["deno.json: nodeModulesDir is not heeded here."])
                                #expect(answer.dependencies == ["npm:sums@1.0.0"])
                            }
                        }
                    }
                }
            }
        }
    }

    private static func deploy(_ builder: BuilderFixture) async throws -> DeployAnswer {
        let answer = try await builder.post("name=again", files)
        #expect(answer.status == 201, "\(answer.text)")
        return try JSONDecoder().decode(DeployAnswer.self, from: Data(answer.body))
    }

    /// Where the registry keeps the configuration of the image that was deployed last.
    private static func configuration(of builder: BuilderFixture, in registry: RegistryFixture) async throws -> String {
        let digest = try await builder.latest().manifest.config.digest.hex
        return "\(registry.directory)/data/docker/registry/v2/blobs/sha256/\(digest.prefix(2))/\(digest)/data"
    }
}

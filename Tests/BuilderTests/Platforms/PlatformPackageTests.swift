import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Packages that are for some platforms only, in images for two.
@Suite(.serialized) struct PlatformPackageTests {
    private typealias Fixture = PlatformFixture
    private static let source =
        "import native from 'npm:native@1';\nexport default (): Response => new Response(native.part());"

    @Test func `each platform's image has its own part of a package, also when only the code changes`() async throws {
        try await withNPMRegistry(Fixture.native(["x64", "arm64", "s390x"])) { npm in
            try await withRegistry { registry in
                try await withChecker { checker in
                    try await Fixture.pushBase(registry, platforms: Fixture.both)
                    // The second one has no registry to ask.
                    for url in [npm, nil] {
                        let settings = try DependencyTests.settings(npm: url)
                        try await Fixture.withBuilder(in: registry, checker, imports: settings) { builder in
                            let source = Self.source + (url == nil ? "\n// changed" : "")
                            let answer = try await builder.post("name=hello", source)
                            #expect(answer.status == 201, "\(answer.text)")
                            let image = try await builder.latestForAll()
                            for (platform, (own, other)) in zip(
                                Fixture.both,
                                [
                                    (Fixture.ownProcessor, Fixture.otherProcessor),
                                    (Fixture.otherProcessor, Fixture.ownProcessor),
                                ])
                            {
                                let one = try #require(image.image(for: platform))
                                let paths = try await builder.paths(in: one.manifest.layers[2])
                                let folder = "npm/registry.npmjs.org/@native/linux-"
                                #expect(paths.contains("\(folder)\(own)/1.0.0/index.js"), "\(paths)")
                                #expect(!paths.contains("\(folder)\(other)/1.0.0/index.js"))
                                #expect(!paths.contains("\(folder)s390x/1.0.0/index.js"))
                                #expect(paths.contains("npm/registry.npmjs.org/native/1.0.0/index.js"))
                            }
                            let found = try await builder.verification()
                            #expect(found.identical && found.platforms?.count == 2, "\(found)")
                            let own = try #require(image.image(for: .host))
                            try await builder.serving(own) { server in
                                let answer = try await server.call("/")
                                #expect(answer.text == Fixture.ownProcessor)
                            }
                        }
                    }
                }
            }
        }
    }

    @Test func `a package with nothing for a platform is refused with its name and place`() async throws {
        let only = TestPackage(
            "only", "2.0.0", main: "module.exports = 1;", manifest: #"{"cpu":["\#(Fixture.ownProcessor)"]}"#)
        try await withNPMRegistry(Fixture.native([Fixture.ownProcessor]) + [only]) { npm in
            try await withRegistry { registry in
                try await withChecker { checker in
                    try await Fixture.pushBase(registry, platforms: Fixture.both)
                    let settings = try DependencyTests.settings(npm: npm)
                    try await Fixture.withBuilder(in: registry, checker, imports: settings) { builder in
                        let problem = try await builder.refusal("name=hello", Self.source, 422)
                        #expect(problem.type == "urn:kiln:unsupported-platform")
                        #expect(
                            problem.detail.contains("native@1.0.0 has no part for \(Fixture.other)")
                                && problem.detail.contains("@native/linux-\(Fixture.ownProcessor)@1.0.0"),
                            "\(problem.detail)")
                        #expect(problem.diagnostics?.first?.line == 1)
                        let needed = try await builder.refusal(
                            "name=hello", "import only from 'npm:only';\nexport default () => new Response(`${only}`);",
                            422)
                        #expect(
                            needed.type == "urn:kiln:unsupported-platform"
                                && needed.detail.contains("only@2.0.0 is not for \(Fixture.other)"), "\(needed.detail)")
                        #expect(try await builder.registry.tags("kiln/hello").isEmpty)
                    }
                    // For this machine's platform alone nothing is in the way.
                    try await Fixture.withBuilder(for: [.host], in: registry, checker, imports: settings) { builder in
                        let answer = try await builder.post("name=hello", Self.source)
                        #expect(answer.status == 201, "\(answer.text)")
                    }
                    // What was resolved for that one is looked at again.
                    try await Fixture.withBuilder(in: registry, checker, imports: settings) { builder in
                        let problem = try await builder.refusal("name=hello", Self.source, 422)
                        #expect(problem.type == "urn:kiln:unsupported-platform")
                    }
                }
            }
        }
    }
}

import Builder
import Contract
import FoundationEssentials
import Logging
import OCI
import Support
import Testing
import Transfer

/// Images made again from the source in them.
@Suite(.serialized) struct VerifyTests {
    private static let hello = "export default (): Response => new Response('hello')"
    private static func verify(_ builder: BuilderFixture, _ query: String = "") async throws -> Verification {
        let answer = try await builder.call(.post, "/func/hello/verify\(query)")
        #expect(answer.status == 200, "\(answer.text)")
        return try JSONDecoder().decode(Verification.self, from: Data(answer.body))
    }

    @Test func `one module, several files and imports come out as they were`() async throws {
        try await withNPMRegistry([TestPackage.sums]) { npm in
            let key = SigningKey()
            try await withBuilder(
                imports: DependencyTests.settings(npm: npm), attesting: { Attestor.test($0, key) }
            ) { builder in
                let files = RawTar.archive([
                    (
                        "main.ts",
                        "import { name } from './name.ts';\nexport default (): Response => new Response(name);"
                    ),
                    ("name.ts", "export const name: string = 'tree';"), ("page.html", "<p>"),
                ])
                let imports =
                    "import { sum } from 'npm:sums@1';\nexport default (): Response => new Response(String(sum(1, 2)));"
                let sources = [(Array(Self.hello.utf8), 3), (files, 3), (Self.large, 3), (Array(imports.utf8), 4)]
                for (source, layers) in sources {
                    #expect(try await builder.post("name=hello", source).status == 201)
                    let found = try await Self.verify(builder)
                    #expect(found.identical && found.manifest.identical && found.config.identical, "\(found)")
                    #expect(found.sourceIdentical == true && found.signature == .valid && found.notes.isEmpty)
                    #expect(found.layers.count >= layers && found.layers.last?.content == .code)
                    #expect(found.layers.allSatisfy { $0.digest.identical && $0.diffID.identical })
                    #expect(found.layers.last?.digest.made != nil)
                }
                #expect(try await Self.verify(builder).layers.map(\.content).contains(.dependencies))
                #expect(try await Self.verify(builder, "?revision=1").revision == 1)
                #expect(try await builder.call(.post, "/func/hello/verify?revision=9").status == 404)
                #expect(try await builder.call(.post, "/func/hello/verify?revision=x").status == 400)
                #expect(try await builder.call(.get, "/func/hello/verify").status == 405)
            }
        }
    }

    /// A function with so many assets that they are not kept in memory while it is built, and that its layer is compressed in pieces.
    private static let large = RawTar.archive([
        ("main.ts", "export default (): Response => new Response('large');"),
        ("big.txt", (0..<700_000).map { "\($0)\n" }.joined()), ("small.txt", "small"),
        ("deno.lock", #"{"version":"5"}"#),
    ])

    @Test func `a large layer from when layers were compressed as a whole is recognized`() async throws {
        try await withBuilder { builder in
            #expect(try await builder.post("name=hello", Self.large).status == 201)
            let deployed = try #require(builder.deployer.deploys.first).image
            let registry = builder.registry
            let image = try await registry.image("kiln/hello", .digest(deployed.digest))
            let base = try await registry.image("kiln/base", .digest(try #require(builder.deployer.base).digest))
            let code = try #require(image.manifest.layers.last)
            let content = try await registry.blob("kiln/hello", code, limit: 64 << 20)
            let files = try Tarball.files(in: content, maximumSize: 64 << 20, maximumFiles: 100)
            let layer = try Layer(
                [.directory("app"), .directory("app/source")] + files.map { .file("app/\($0.path)", $0.bytes) },
                framing: .whole)
            #expect(layer.diffID == image.config.rootfs.diffIDs.last && layer.descriptor != code)
            var former = ImageBuilder(
                on: .init(base, name: image.manifest.annotations?["org.opencontainers.image.base.name"]),
                steps: [.init(layer, createdBy: "kiln: code")])
            former.execution = try #require(image.config.config)
            former.annotations = image.manifest.annotations ?? [:]
            let made = try former.build()
            try await registry.push(made, to: "kiln/hello", base: "kiln/base")
            builder.deployer.replaceImage(
                with: PinnedImage(registry: deployed.registry, repository: "kiln/hello", digest: made.digest))
            let found = try await Self.verify(builder)
            #expect(found.identical && found.layers.allSatisfy { $0.digest.identical }, "\(found)")
        }
    }

    @Test func `code that its source does not make is found out`() async throws {
        try await withBuilder { builder in
            #expect(try await builder.post("name=hello", Self.hello).status == 201)
            let deployed = try #require(builder.deployer.deploys.first).image
            let registry = builder.registry
            let image = try await registry.image("kiln/hello", .digest(deployed.digest))
            let base = try await registry.image("kiln/base", .digest(try #require(builder.deployer.base).digest))
            // The source of one, the JavaScript of another.
            let layer = try Layer([
                .directory("app"), .file("app/main.js", Array("export default () => new Response('other')".utf8)),
                .directory("app/source"), .file("app/source/main.ts", Array(Self.hello.utf8)),
            ])
            var forgery = ImageBuilder(
                on: .init(base, name: image.manifest.annotations?["org.opencontainers.image.base.name"]),
                steps: [.init(layer, createdBy: "kiln: code")])
            forgery.execution = try #require(image.config.config)
            forgery.annotations = image.manifest.annotations ?? [:]
            let forged = try forgery.build()
            try await registry.push(forged, to: "kiln/hello", base: "kiln/base")
            builder.deployer.replaceImage(
                with: PinnedImage(registry: deployed.registry, repository: "kiln/hello", digest: forged.digest))
            let found = try await Self.verify(builder)
            #expect(!found.identical && !found.manifest.identical && !found.config.identical)
            #expect(found.layers.map(\.digest.identical) == [true, true, false])
            #expect(found.layers.map(\.diffID.identical) == [true, true, false])
            #expect(found.sourceIdentical == true && found.signature == .unchecked)
        }
    }
}

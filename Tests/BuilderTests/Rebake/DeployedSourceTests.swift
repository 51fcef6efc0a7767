import Builder
import Contract
import OCI
import Support
import Testing
import Transfer

/// What an image was made from, read out of the image.
@Suite(.serialized) struct DeployedSourceTests {
    private static func deployed(_ builder: BuilderFixture) async throws -> DeployedSource {
        let image = try #require(builder.deployer.deploys.last).image
        return try await DeployedSource(image.digest, in: image.repository, of: builder.registry)
    }

    @Test func `a module is what was posted, byte for byte, and stands on its base`() async throws {
        try await withBuilder { builder in
            let source = "\u{feff}export default () =>\r\n new Response('ü');\n"
            #expect(try await builder.post("name=one", source).status == 201)
            let found = try await Self.deployed(builder)
            #expect(found.source == .module(Array(source.utf8)) && found.language == .unstated)
            #expect(found.base == builder.deployer.base?.digest && found.lock == nil)
            let large = "export const a = [\(String(repeating: "'x',", count: 20_000))];\n\(source.dropFirst())"
            _ = try await builder.post("name=one", large, headers: ["Content-Type": "text/javascript"])
            let script = try await Self.deployed(builder)
            #expect(script.source == .module(Array(large.utf8)) && script.language == .javascript)
        }
    }

    @Test func `of several files those are found that were posted, and none that were made of them`() async throws {
        let files = [
            "src/main.ts":
                "import { a } from '@/lib/ä b.ts'; import './plain.js'; export default () => new Response(a)",
            "src/lib/ä b.ts": "export const a: string = 'a'", "src/lib/ä b.ts.js": "taken", "src/plain.js": "",
            "deno.json": #"{ "imports": { "@/": "./src/" } }"#, "page.html": "<p>", "empty/none.txt": "",
        ]
        try await withBuilder { builder in
            for entry in ["src/main.ts", "src/plain.js"] {
                var files = files
                if entry == "src/plain.js" { files[entry] = "export default () => new Response()" }
                let body = try await RealTar.archive(files)
                let answer = try await builder.post("name=tree&check=false&entry=\(entry)", body)
                #expect(answer.status == 201, "\(answer.text)")
                let tree = FileTree(entry: entry, files: files.mapValues { .bytes(Array($0.utf8)) })
                #expect(try await Self.deployed(builder).source == .files(tree))
            }
        }
    }

    @Test func `an image that is none of a function is refused`() async throws {
        try await withBuilder { builder in
            let base = try #require(builder.deployer.base)
            await #expect {
                _ = try await DeployedSource(base.digest, in: base.repository, of: builder.registry)
            } throws: { ($0 as? BuilderError)?.code == .image }
        }
    }
}

import Builder
import Contract
import FoundationEssentials
import Glibc
import OCI
import Support
import Testing
import Transfer

/// The real base image, with Deno and this machine's libraries.
@Suite(.serialized) struct BaseImageTests {
    @Test func `it is baked once, from then on found, and is the same from a fresh start`() async throws {
        let recipe = try BaseRecipe(deno: Clone.deno)
        let digests = Log()
        for _ in 1...2 {
            try await withRegistry { fixture in
                try await withRoot { root in
                    let registry = Registry(
                        RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
                    let steps = Log()
                    for _ in 1...2 {
                        let cache = try BlobCache(directory: root + "/cache")
                        let base = try await BaseImage.ensure(recipe, in: registry, cache: cache) { steps.add($0) }
                        digests.add(base.pinned.digest.description)
                        #expect(base.pinned.repository == "kiln/base")
                    }
                    #expect(steps.lines.count == 2, "\(steps.lines)")
                }
            }
        }
        #expect(digests.lines.count == 4)
        #expect(Set(digests.lines).count == 1)
    }

    @Test func `a part that is missing is named`() {
        let error = #expect(throws: BuilderError.self) { try BaseRecipe(deno: "/nowhere/deno") }
        #expect(error?.code == .recipe)
        #expect(error?.message.contains("/nowhere/deno") == true)
    }

    @Test(.enabled(if: getuid() == 0, "unpacking an image as it is needs root"))
    func `a function's image runs with nothing but what is in it, unpacked by other tools`() async throws {
        let recipe = try BaseRecipe(deno: Clone.deno)
        try await withRegistry { fixture in
            try await withChecker { checker in
                try await withBuilder(recipe: recipe, limits: BuilderAPI.Limits(), registry: fixture, checker: checker)
                { builder in
                    let source =
                        "export default () => new Response(`user ${Deno.build.os} ${new Error().stack?.split('\\n')[1].trim()}`)"
                    let answer = try await builder.post("name=hello", source)
                    #expect(answer.status == 201, "\(answer.text)")
                    let image = try #require(builder.deployer.deploys.first).image
                    try await withRoot { root in
                        try await run(image, root: root)
                    }
                }
            }
        }
    }

    private func run(_ image: PinnedImage, root: String) async throws {
        let copied = try await command(
            "skopeo", ["copy", "--quiet", "--src-tls-verify=false", "docker://\(image)", "oci:\(root)/layout:hello"])
        #expect(copied.succeeded, "\(copied.errors)")
        let unpacked = try await command("umoci", ["unpack", "--image", "\(root)/layout:hello", "\(root)/bundle"])
        #expect(unpacked.succeeded, "\(unpacked.errors)")
        let files = root + "/bundle/rootfs"
        #expect(try FileManager.default.contentsOfDirectory(atPath: files + "/kiln").sorted().contains("bootstrap.js"))

        let configuration = try JSONDecoder().decode(
            Bundle.self, from: Data(contentsOf: URL(filePath: root + "/bundle/config.json")))
        #expect(configuration.process.user.uid == 65532)
        let port = try freePort()
        let environment = configuration.process.env.filter { !$0.hasPrefix("DENO_SERVE_ADDRESS=") }
        try await withChild(
            "env",
            environment + ["DENO_SERVE_ADDRESS=tcp:127.0.0.1:\(port)", "chroot", "--userspec=65532:65532", files]
                + configuration.process.args
        ) { _ in
            let client = try HTTPClient()
            try await waitUntil("the function serves") {
                (try? await client.collect(ClientRequest(.get, "http://127.0.0.1:\(port)/")))?.status == 200
            }
            let answer = try await client.collect(ClientRequest(.get, "http://127.0.0.1:\(port)/"))
            #expect(answer.text.contains("file:///app/source/main.ts:1:"), "\(answer.text)")
        }
    }

    @Test func `the base's caches are the same bytes each time, and empty files stand beside the databases`()
        async throws
    {
        let first = try await BaseCaches(deno: Clone.deno).make().entries
        let second = try await BaseCaches(deno: Clone.deno).make().entries
        #expect(first == second)
        for name in ["dep_analysis_cache_v2", "node_analysis_cache_v2", "v8_code_cache_v2"] {
            #expect(first.contains { $0.path == "deno/\(name)" && $0.kind != .file(.bytes([])) })
            #expect(first.contains { $0.path == "deno/\(name)-wal" && $0.kind == .file(.bytes([])) })
        }
        await #expect(throws: BuilderError.self) { try await BaseCaches(deno: "/usr/bin/false").make() }
    }

    /// The part of a runtime bundle's `config.json` that says what runs.
    private struct Bundle: Decodable {
        struct Process: Decodable {
            struct User: Decodable { var uid: Int }
            var user: User
            var args: [String]
            var env: [String]
        }

        var process: Process
    }
}

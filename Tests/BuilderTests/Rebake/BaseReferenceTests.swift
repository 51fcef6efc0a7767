import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Base images that others have made, as other tools push them.
@Suite(.serialized) struct BaseReferenceTests {
    /// Pushes an image to `target` with skopeo, which umoci has made: a layer with Deno, or what stands for it, below another.
    private static func push(_ target: String, format: String, program: String = "usr/bin/deno") async throws {
        try await withRoot { root in
            func run(_ name: String, _ arguments: [String]) async throws {
                let outcome = try await command(name, arguments, in: root)
                #expect(outcome.succeeded, "\(name) \(arguments): \(outcome.errors)")
            }
            try await run("umoci", ["init", "--layout", "layout"])
            try await run("umoci", ["new", "--image", "layout:deno"])
            try await run("mkdir", ["-p", "one/usr/bin", "two/etc"])
            try Data("deno".utf8).write(to: URL(filePath: "\(root)/one/\(program)"))
            try Data("two".utf8).write(to: URL(filePath: "\(root)/two/etc/two"))
            for part in ["one", "two"] {
                try await run("tar", ["-C", part, "-cf", "\(part).tar", "."])
                try await run("umoci", ["raw", "add-layer", "--image", "layout:deno", "\(part).tar"])
            }
            try await run(
                "umoci",
                [
                    "config", "--image", "layout:deno", "--config.env", "DENO_VERSION=2.9.7", "--config.env", "LANG=C",
                    "--config.env", "NO_COLOR=0", "--config.entrypoint", "/bin/other",
                ])
            try await run(
                "skopeo",
                [
                    "copy", "--quiet", "--format", format, "--dest-tls-verify=false", "oci:layout:deno",
                    "docker://\(target)",
                ])
        }
    }

    /// Runs `body` with a Builder over the image `reference`, told by `name`, as a new one on `registry` does it.
    private static func withBuilder(
        on text: String, in registry: RegistryFixture, at source: RegistryFixture, _ checker: DenoServer,
        _ body: @escaping @Sendable (BuilderFixture) async throws -> Void
    ) async throws {
        let reference = try ImageReference(text)
        let endpoint = RegistryEndpoint(name: source.authority, url: source.url)
        try await BuilderTests.withBuilder(
            base: .reference(BaseReference(reference, in: Registry(endpoint, client: source.client))),
            limits: BuilderAPI.Limits(), registry: registry, checker: checker, body)
    }

    @Test(arguments: ["v2s2", "oci"])
    func `an image in Docker's or OCI's format becomes a base, its layers as they are`(format: String) async throws {
        try await withRegistry { source in
            try await withRegistry { registry in
                try await withChecker { checker in
                    try await Self.push("\(source.authority)/tools/deno:1", format: format)
                    let found = Log()
                    for _ in 1...2 {
                        try await Self.withBuilder(
                            on: "\(source.authority)/tools/deno:1", in: registry, at: source, checker
                        ) { builder in
                            let base = try #require(builder.deployer.base)
                            found.add(base.digest.description)
                            #expect(base.repository == "kiln/base")
                            let answer = try await builder.post("name=hello", PipelineTests.hello)
                            #expect(answer.status == 201, "\(answer.text)")
                            let image = try await builder.latest()
                            #expect(image.manifest.mediaType == .manifest && image.manifest.config.mediaType == .config)
                            #expect(image.manifest.layers.allSatisfy { $0.mediaType == .layerGzip })
                            let original = try await Registry(
                                RegistryEndpoint(name: source.authority, url: source.url), client: source.client
                            ).image("tools/deno", .tag("1"))
                            #expect((original.manifest.mediaType == .dockerManifest) == (format == "v2s2"))
                            #expect(
                                image.manifest.layers.prefix(2).map(\.digest) == original.manifest.layers.map(\.digest))
                            let execution = try #require(image.config.config)
                            #expect(execution.environment?.contains("LANG=C") == true)
                            #expect(execution.environment?.contains("NO_COLOR=1") == true)
                            #expect(execution.entrypoint?.first == "/usr/bin/deno" && execution.user == "65532:65532")
                            #expect(
                                image.manifest.annotations?["org.opencontainers.image.base.name"] == "kiln/base:2.9.7")
                            #expect(image.manifest.annotations?["dev.kiln.deno"] == "2.9.7")
                            let verified = try await builder.call(.post, "/func/hello/verify")
                            #expect(
                                verified.status == 200 && verified.text.contains(#""identical":true"#)
                                    && !verified.text.contains(#""identical":false"#), "\(verified.text)")
                        }
                    }
                    #expect(found.lines.count == 2 && Set(found.lines).count == 1)
                }
            }
        }
    }

    @Test func `out of an index comes the machine's own, mounted in the same registry, and a moved tag is followed`()
        async throws
    {
        try await withRegistry { registry in
            try await withChecker { checker in
                let client = Registry(
                    RegistryEndpoint(name: registry.authority, url: registry.url), client: registry.client)
                try await Self.push("\(registry.authority)/tools/deno:one", format: "oci")
                let one = try #require(try await client.descriptor("tools/deno", .tag("one")))
                @Sendable func index(_ chosen: Descriptor) async throws {
                    var (own, foreign) = (chosen, chosen)
                    own.platform = .host
                    foreign.platform = Platform(os: "linux", architecture: "s390x")
                    foreign.digest = one.digest
                    let bytes = try CanonicalJSON.encode(Index(manifests: [foreign, own]))
                    try await client.putManifest(
                        bytes, Descriptor(describing: bytes, as: .index), to: "tools/deno", tag: "all")
                }
                try await index(one)
                try await Self.withBuilder(
                    on: "\(registry.authority)/tools/deno:all", in: registry, at: registry, checker
                ) { builder in
                    let before = try #require(builder.deployer.base)
                    let layers = try await builder.registry.image("kiln/base", .digest(before.digest)).manifest.layers
                    #expect(layers.count == 3)
                    // Another image under the tag, which also has Deno.
                    try await Self.push("\(registry.authority)/tools/deno:two", format: "v2s2")
                    let two = try #require(try await builder.registry.descriptor("tools/deno", .tag("two")))
                    try await index(two)
                    let answer = try await builder.call(.post, "/base")
                    #expect(answer.status == 200 && answer.text.contains(#""unchanged":false"#), "\(answer.text)")
                    #expect(builder.deployer.base != before)
                    let deployed = try await builder.post("name=hello", PipelineTests.hello)
                    #expect(deployed.status == 201, "\(deployed.text)")
                    #expect(
                        try await builder.latest().manifest.annotations?["org.opencontainers.image.base.digest"]
                            == builder.deployer.base?.digest.description)
                }
            }
        }
    }

    @Test func `an image without Deno is refused with what to do`() async throws {
        try await withRegistry { registry in
            try await withChecker { checker in
                try await Self.push("\(registry.authority)/tools/none:1", format: "oci", program: "usr/bin/node")
                let error = await #expect(throws: BuilderError.self) {
                    try await Self.withBuilder(
                        on: "\(registry.authority)/tools/none:1", in: registry, at: registry, checker
                    ) { _ in }
                }
                #expect(error?.code == .recipe && error?.message.contains("/usr/bin/deno") == true)
            }
        }
    }
}

import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Images for two platforms from one build, as other tools see them.
@Suite(.serialized) struct PlatformTests {
    private typealias Fixture = PlatformFixture
    private static let hello = "export default (): Response => new Response('hello')"

    @Test func `a deploy makes an index of an image for each platform, which other tools take apart`() async throws {
        try await withRegistry { registry in
            try await withChecker { checker in
                try await Fixture.pushBase(
                    registry,
                    platforms: [
                        .host, Fixture.other, Platform(os: "linux", architecture: "riscv64"),
                    ])
                let key = SigningKey()
                try await Fixture.withBuilder(
                    in: registry, checker, attesting: { Attestor.test($0, key) }
                ) { builder in
                    let answer = try await builder.post("name=hello", Self.hello)
                    #expect(answer.status == 201, "\(answer.text)")
                    let image = try await builder.latestForAll()
                    #expect(image.isIndex && answer.text.contains(image.digest.description))
                    #expect(image.platforms.map(\.architecture) == ["amd64", "arm64"])
                    let base = try #require(builder.deployer.base)
                    #expect(image.annotations?["org.opencontainers.image.base.digest"] == base.digest.description)
                    #expect(image.annotations?["dev.kiln.deno"] == "2.9.8")
                    let client = builder.registry
                    #expect(try await client.descriptor("kiln/base", .tag("current"))?.digest == base.digest)
                    let below = try await client.images("kiln/base", .digest(base.digest))
                    for (one, below) in zip(image.images, below.images) {
                        #expect(one.config.platform == below.config.platform)
                        #expect(one.manifest.layers.dropLast() == below.manifest.layers[...])
                        #expect(one.manifest.annotations?["org.opencontainers.image.base.digest"] == "\(base.digest)")
                        let environment = one.config.config?.environment
                        #expect(environment?.contains("FOR=\(one.config.architecture)") == true)
                    }
                    // Nothing is compiled: one layer of code for both.
                    #expect(Set(image.images.map(\.manifest.layers.last?.digest)).count == 1)

                    let verdict = try await client.verdict(on: image.digest, in: "kiln/hello", by: [key.verifyingKey])
                    #expect(verdict == .valid(by: key.verifyingKey))
                    let referrers = try await client.referrers(of: image.digest, in: "kiln/hello")
                    #expect(referrers.map(\.artifactType) == [.spdx, .statement])

                    let found = try await builder.verification()
                    #expect(found.identical && found.signature == .valid && found.notes.isEmpty, "\(found)")
                    #expect(found.manifest.stored == image.digest && found.manifest.made == image.digest)
                    #expect(found.platforms?.map(\.platform) == image.platforms.map(\.description))
                    #expect(found.platforms?.allSatisfy { $0.layers.count == 3 && $0.manifest.identical } == true)

                    let again = try await builder.post("name=hello", Self.hello)
                    #expect(again.text.contains(image.digest.description), "\(again.text)")
                    let dry = try await builder.post("name=hello&dry-run=true", Self.hello)
                    #expect(dry.text.contains(image.digest.description), "\(dry.text)")
                    try await Self.takeApart(image, registry)
                }
            }
        }
    }

    /// With skopeo and umoci, as whoever runs the other platform's machine.
    private static func takeApart(_ image: MultiPlatformImage, _ registry: RegistryFixture) async throws {
        try await withRoot { root in
            func run(_ name: String, _ arguments: [String]) async throws -> String {
                let outcome = try await command(name, arguments, in: root)
                #expect(outcome.succeeded, "\(name) \(arguments): \(outcome.errors)")
                return outcome.output
            }
            let name = "docker://\(registry.authority)/kiln/hello@\(image.digest)"
            let raw = try await run("skopeo", ["inspect", "--raw", "--tls-verify=false", name])
            #expect(raw == String(decoding: image.bytes, as: UTF8.self))
            for architecture in ["amd64", "arm64"] {
                _ = try await run(
                    "skopeo",
                    [
                        "--override-arch", architecture, "copy", "--quiet", "--src-tls-verify=false", name,
                        "oci:layout:\(architecture)",
                    ])
                _ = try await run(
                    "umoci", ["unpack", "--rootless", "--image", "layout:\(architecture)", architecture])
                let deno = try await run("cat", ["\(architecture)/rootfs/usr/bin/deno"])
                #expect(deno == "for linux/\(architecture)")
                _ = try await run("test", ["-f", "\(architecture)/rootfs/app/main.js"])
                _ = try await run("test", ["-f", "\(architecture)/rootfs/kiln/bootstrap.js"])
            }
        }
    }

    @Test(arguments: [
        ("2.9.8", ["dep_analysis_cache_v2", "dep_analysis_cache_v2-shm", "main.js"]), ("2.9.7", ["main.js"]),
    ])
    func `what is compiled for one processor is not in the other's image, nor what another Deno made`(
        version: String, files: [String]
    ) async throws {
        try await withRegistry { registry in
            try await withChecker { checker in
                let lines = (0..<3000).map { "export function f\($0)(): number { return \($0); }" }
                let large = Self.hello + ";\n" + lines.joined(separator: "\n")
                try await Fixture.pushBase(registry, platforms: Fixture.both, otherVersion: version)
                try await Fixture.withBuilder(in: registry, checker, wrapping: { CompilingChecker($0) }) { builder in
                    #expect(try await builder.post("name=hello", large).status == 201)
                    let image = try await builder.latestForAll()
                    let own = try #require(image.image(for: .host)?.manifest.layers.last)
                    let other = try #require(image.image(for: Fixture.other)?.manifest.layers.last)
                    let expected = CompilingChecker.names + ["main.js", "source/main.ts"]
                    #expect(try await builder.paths(in: own) == Set(expected))
                    #expect(try await builder.paths(in: other) == Set(files + ["source/main.ts"]))
                    let found = try await builder.verification()
                    #expect(found.identical && found.platforms?.count == 2, "\(found)")
                }
            }
        }
    }

    @Test func `another set of platforms is another image, made of the same versions`() async throws {
        try await withNPMRegistry([TestPackage.sums]) { npm in
            try await withRegistry { registry in
                try await withChecker { checker in
                    try await Fixture.pushBase(registry, platforms: Fixture.both)
                    let source =
                        "import { sum } from 'npm:sums@1';\nexport default () => new Response(String(sum(1, 2)));"
                    let seen = Log()
                    for platforms in [[.host], Fixture.both, [.host], Fixture.both.reversed()] {
                        // Only the first one asks a registry.
                        let first = seen.lines.isEmpty
                        let settings = try DependencyTests.settings(npm: first ? npm : nil)
                        try await Fixture.withBuilder(for: platforms, in: registry, checker, imports: settings) {
                            builder in
                            let answer = try await builder.post("name=hello", source)
                            #expect(answer.status == 201, "\(answer.text)")
                            let image = try await builder.latestForAll()
                            #expect(image.images.count == platforms.count && image.isIndex == (platforms.count == 2))
                            seen.add(image.digest.description)
                            if image.isIndex {
                                let layers = image.images.map { $0.manifest.layers.map(\.digest) }
                                #expect(Set(layers.map { $0[2] }).count == 1, "the packages are the same layer")
                                #expect(image.images.allSatisfy { $0.manifest.annotations?["dev.kiln.lock"] != nil })
                            }
                            let found = try await builder.verification()
                            #expect(found.identical && (found.platforms != nil) == image.isIndex, "\(found)")
                        }
                    }
                    #expect(seen.lines[0] == seen.lines[2] && seen.lines[1] == seen.lines[3])
                    #expect(seen.lines[0] != seen.lines[1])
                }
            }
        }
    }

    @Test func `a base image that lacks a platform, or Deno there, is refused by name`() async throws {
        try await withRegistry { registry in
            try await withChecker { checker in
                func error(_ tag: String) async throws -> String {
                    let error = await #expect(throws: BuilderError.self) {
                        try await Fixture.withBuilder(tag: tag, in: registry, checker) { _ in }
                    }
                    #expect(error?.code == .recipe)
                    return error?.message ?? ""
                }
                let strange = Platform(os: "linux", architecture: "s390x")
                try await Fixture.pushBase(registry, tag: "some", platforms: [.host, strange])
                let lacking = try await error("some")
                #expect(
                    lacking.contains("is not for \(Fixture.other)") && lacking.contains("\(Platform.host), \(strange)"))
                try await Fixture.pushBase(registry, tag: "one", platforms: [.host])
                #expect(try await error("one").contains("it is for \(Platform.host)."))
                try await Fixture.pushBase(registry, tag: "none", platforms: Fixture.both, program: "node")
                #expect(try await error("none").contains("none for \(Fixture.other) has no program /usr/bin/deno"))
            }
        }
    }
}

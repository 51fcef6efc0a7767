import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Against Debian's `docker-registry`, and with skopeo and umoci as second opinions.
@Suite(.serialized) struct RegistryTests {
    @Test func `an image that was pushed is what other tools find`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            try await registry.ping()
            let base = try Self.base()
            try await registry.push(base, to: "kiln/base", tags: ["1", "latest"])
            let image = try await registry.withUploadSessions("kiln/hello") { sessions in
                let image = try Self.function(on: base, "hello")
                try await registry.push(image, to: "kiln/hello", tags: ["b-1"], base: "kiln/base", sessions: sessions)
                return image
            }

            let seen = try await command(
                "skopeo", ["inspect", "--tls-verify=false", "docker://\(fixture.authority)/kiln/hello:b-1"])
            let facts = try JSONDecoder().decode(Inspection.self, from: Data(seen.output.utf8))
            #expect(facts.Digest == image.digest.description)
            #expect(facts.Layers == image.manifest.layers.map(\.digest.description))
            #expect(facts.Os == "linux")

            let copied = try await command(
                "skopeo",
                [
                    "copy", "--src-tls-verify=false", "docker://\(fixture.authority)/kiln/hello@\(image.digest)",
                    "oci:\(fixture.directory)/layout:it",
                ])
            try #require(copied.succeeded, "\(copied.errors)")
            let unpacked = try await command(
                "umoci", ["unpack", "--image", "\(fixture.directory)/layout:it", "\(fixture.directory)/bundle"])
            try #require(unpacked.succeeded, "\(unpacked.errors)")
            let files = try await command(
                "find", [".", "-mindepth", "1", "-printf", "%P %m %U\n"], in: fixture.directory + "/bundle/rootfs")
            #expect(
                Set(files.output.split(separator: "\n")) == [
                    "app 755 0", "app/main.js 644 0", "tmp 1777 0", "etc 755 0", "etc/os 644 0",
                ])
        }
    }

    @Test func `an image that skopeo pushed is read, cached and unpacked`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let image = try Self.function(on: Self.base(), "read")
            try await registry.push(Self.base(), to: "a/base")
            try await registry.push(image, to: "a/b", tags: ["t"], base: "a/base")
            let copied = try await command(
                "skopeo",
                [
                    "copy", "--format", "v2s2", "--src-tls-verify=false", "--dest-tls-verify=false",
                    "docker://\(fixture.authority)/a/b:t",
                    "docker://\(fixture.authority)/docker/copy:t",
                ])
            try #require(copied.succeeded, "\(copied.errors)")

            let read = try await registry.image("docker/copy", .tag("t"))
            #expect(read.descriptor.mediaType == .dockerManifest)
            #expect(read.config.rootfs == image.config.rootfs)
            let cache = try BlobCache(directory: fixture.directory + "/cache")
            for (index, (layer, diffID)) in zip(read.manifest.layers, read.config.rootfs.diffIDs).enumerated() {
                let path = try await registry.fetch("docker/copy", layer, into: cache)
                #expect(try await registry.fetch("docker/copy", layer, into: cache) == path)
                try LayerUnpacker(ownership: .asArchived).unpack(
                    .file(path), descriptor: layer, diffID: diffID, into: "\(fixture.directory)/layer\(index)")
            }
            #expect(
                try String(contentsOf: URL(filePath: fixture.directory + "/layer1/app/main.js"), encoding: .utf8)
                    == "read")

            let onDocker = try ImageBuilder(on: .init(read), steps: [.init(Layer([.directory("x")]), createdBy: "x")])
                .build()
            try await registry.push(onDocker, to: "docker/copy", tags: ["oci"])
            #expect(try await registry.image("docker/copy", .tag("oci")).digest == onDocker.digest)
        }
    }

    @Test func `what is absent is told from what is there`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let image = try Self.base()
            #expect(try await registry.descriptor("no/where", .tag("x")) == nil)
            #expect(try await registry.descriptor("no/where", .digest(image.digest)) == nil)
            #expect(try await registry.blobSize("no/where", image.digest) == nil)
            #expect(try await registry.tags("no/where").isEmpty)
            let error = await #expect(throws: OCIError.self) { try await registry.image("no/where", .tag("x")) }
            #expect(error?.code == .notFound)
            try await registry.push(image, to: "some/where", tags: ["x"])
            #expect(try await registry.descriptor("some/where", .tag("x")) == image.descriptor)
            #expect(try await registry.descriptor("some/where", .digest(image.digest)) == image.descriptor)
            #expect(try await registry.blobSize("some/where", image.manifest.config.digest) == image.configBytes.count)
        }
    }

    @Test func `tags are listed, moved and deleted`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let one = try Self.base()
            try await registry.push(one, to: "t/t", tags: ["r1", "live"])
            let two = try Self.function(on: one, "two")
            try await registry.push(two, to: "t/t", tags: ["r2"])
            try await registry.tag("t/t", two.digest, as: "live")
            #expect(try await registry.tags("t/t").sorted() == ["live", "r1", "r2"])
            #expect(try await registry.descriptor("t/t", .tag("live"))?.digest == two.digest)
            #expect(try await registry.deleteManifest("t/t", two.digest) == .deleted)
            #expect(try await registry.deleteManifest("t/t", two.digest) == .absent)
            #expect(try await registry.descriptor("t/t", .tag("live")) == nil)
            #expect(try await registry.deleteTag("t/t", "r1") == .unsupported)
        }
    }

    @Test func `unused upload sessions are cancelled, also when the build fails or is cancelled`() async throws {
        struct Refused: Error {}
        try await withRegistry { fixture in
            let registry = fixture.registry
            try await registry.withUploadSessions("u/u", count: 3) { sessions in
                try await registry.push(Self.base(), to: "u/u", sessions: sessions)
            }
            await #expect(throws: Refused.self) {
                try await registry.withUploadSessions("u/u", count: 2) { _ in throw Refused() }
            }
            let task = Task {
                try await registry.withUploadSessions("u/u", count: 2) { _ in try await Task.sleep(for: .seconds(60)) }
            }
            try await Task.sleep(for: .milliseconds(50))
            task.cancel()
            _ = await task.result
            let uploads = fixture.directory + "/data/docker/registry/v2/repositories/u/u/_uploads"
            // Of a cancelled session docker-registry keeps an empty directory, but nothing to go on with.
            for session in try FileManager.default.contentsOfDirectory(atPath: uploads) {
                #expect(!FileManager.default.fileExists(atPath: "\(uploads)/\(session)/startedat"))
            }
        }
    }

    @Test func `what the registry lost is pushed again`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let image = try Self.base()
            try await registry.push(image, to: "l/l", tags: ["1"])
            try FileManager.default.removeItem(atPath: fixture.directory + "/data/docker/registry/v2")
            try await registry.push(image, to: "l/l", tags: ["2"])
            #expect(try await registry.image("l/l", .tag("2")).digest == image.digest)
        }
    }

    @Test func `a large layer goes from file to file in constant memory`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let source = fixture.directory + "/source"
            let made = try await command("dd", ["if=/dev/urandom", "of=\(source)", "bs=1M", "count=48"])
            try #require(made.succeeded)
            let cache = try BlobCache(directory: fixture.directory + "/push")
            let layer = try Layer([.file("deno", copying: source, mode: 0o755)], in: cache)
            let image = try ImageBuilder(steps: [.init(layer, createdBy: "x")]).build()
            try await registry.push(image, to: "big/one", tags: ["1"])
            let pulled = try BlobCache(directory: fixture.directory + "/pull")
            let path = try await registry.fetch("big/one", layer.descriptor, into: pulled)
            try LayerUnpacker(ownership: .process).unpack(
                .file(path), descriptor: layer.descriptor, diffID: layer.diffID, into: fixture.directory + "/out")
            #expect(try await command("cmp", [source, fixture.directory + "/out/deno"]).succeeded)
        }
    }

    @Test func `an index yields this machine's image, and another platform's is refused`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let image = try Self.base()
            try await registry.push(image, to: "i/i")
            var here = image.descriptor
            here.platform = .host
            var other = image.descriptor
            other.platform = Platform(os: "plan9", architecture: "mips")
            let bytes = try CanonicalJSON.encode(Index(manifests: [other, here]))
            try await registry.putManifest(bytes, Descriptor(describing: bytes, as: .index), to: "i/i", tag: "multi")
            #expect(try await registry.image("i/i", .tag("multi")).digest == image.digest)
            let error = await #expect(throws: OCIError.self) {
                try await registry.image("i/i", .tag("multi"), platform: Platform(os: "linux", architecture: "riscv64"))
            }
            #expect(error?.code == .notFound)
            let refused = await #expect(throws: OCIError.self) {
                try await registry.image(
                    "i/i", .digest(image.digest), platform: Platform(os: "linux", architecture: "riscv64"))
            }
            #expect(refused?.code == .unsupported)
        }
    }

    // The names are skopeo's.
    // swift-format-ignore: AlwaysUseLowerCamelCase
    private struct Inspection: Decodable {
        var Digest: String
        var Layers: [String]
        var Os: String
    }

    static func base() throws -> Image {
        let layer = try Layer([.directory("tmp", mode: 0o1777), .directory("etc"), .file("etc/os", [1])])
        return try ImageBuilder(steps: [.init(layer, createdBy: "base")]).build()
    }

    static func function(on base: Image, _ code: String) throws -> Image {
        let layer = try Layer([.directory("app"), .file("app/main.js", Array(code.utf8))])
        return try ImageBuilder(on: .init(base, name: "kiln/base"), steps: [.init(layer, createdBy: "kiln: code")])
            .build()
    }
}

extension RegistryFixture {
    /// A client of it.
    var registry: Registry { Registry(RegistryEndpoint(name: authority, url: url), client: client) }
}

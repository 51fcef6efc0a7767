import Contract
import OCI
import Testing

@Suite struct ImageBuilderTests {
    @Test func `layers go on top of a base that stays as it is`() throws {
        let base = try Self.dockerBase()
        let layer = try Layer([.file("main.js", [1])])
        var builder = ImageBuilder(
            on: .init(base, name: "r.test/base:1"), steps: [.init(layer, createdBy: "kiln: code")])
        builder.execution.setEnvironment("PATH", "/bin")
        builder.execution.user = "65532:65532"
        let image = try builder.build()

        #expect(image.manifest.mediaType == .manifest)
        #expect(image.manifest.config.mediaType == .config)
        #expect(image.manifest.layers.map(\.mediaType) == [.layerGzip, .layerGzip])
        #expect(image.manifest.layers.map(\.digest) == [base.manifest.layers[0].digest, layer.descriptor.digest])
        #expect(image.config.rootfs.diffIDs == base.config.rootfs.diffIDs + [layer.diffID])
        #expect(image.config.created == "1970-01-01T00:00:00Z")
        #expect(image.config.history?.map(\.createdBy) == ["base image", "kiln: code"])
        #expect(image.config.config?.environment == ["PATH=/bin", "LANG=C"])
        #expect(image.config.config?.command == ["sh"])
        #expect(
            image.manifest.annotations == [
                "org.opencontainers.image.base.name": "r.test/base:1",
                "org.opencontainers.image.base.digest": base.digest.description,
            ])
        #expect(try builder.build().digest == image.digest)
    }

    @Test func `an image can stand on nothing`() throws {
        let image = try ImageBuilder(
            platform: Platform(os: "linux", architecture: "arm64"),
            steps: [.init(Layer([.directory("tmp", mode: 0o1777)]), createdBy: "x")]
        ).build()
        #expect(image.config.platform == Platform(os: "linux", architecture: "arm64"))
        #expect(image.manifest.annotations == nil)
        let read = try Image(manifestBytes: image.manifestBytes, mediaType: .manifest, configBytes: image.configBytes)
        #expect(read.digest == image.digest)
        #expect(read.config == image.config)
    }

    @Test func `a base with layers of another kind is refused`() throws {
        var manifest = try Self.dockerBase().manifest
        manifest.layers[0].mediaType = MediaType(rawValue: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip")
        let base = try Image(
            manifestBytes: CanonicalJSON.encode(manifest), mediaType: .dockerManifest,
            configBytes: Self.dockerBase().configBytes)
        let error = #expect(throws: OCIError.self) { try ImageBuilder(on: .init(base)).build() }
        #expect(error?.code == .unsupported)
    }

    @Test func `documents that contradict each other are no image`() throws {
        let base = try Self.dockerBase()
        var config = base.config
        config.rootfs.diffIDs = []
        let other = try CanonicalJSON.encode(config)
        #expect(
            #expect(throws: OCIError.self) {
                try Image(manifestBytes: base.manifestBytes, mediaType: .dockerManifest, configBytes: other)
            }?.code == .malformed)
        #expect(
            #expect(throws: OCIError.self) {
                try Image(
                    manifestBytes: base.manifestBytes, mediaType: .dockerManifest, configBytes: base.configBytes + [32])
            }?.code == .mismatch)
        #expect(
            #expect(throws: OCIError.self) {
                try Image(manifestBytes: base.manifestBytes, mediaType: .index, configBytes: base.configBytes)
            }?.code == .unsupported)
    }

    /// A base as Docker would have written it.
    static func dockerBase() throws -> Image {
        let layer = try Layer([.directory("bin")])
        var config = ImageConfig(platform: .host)
        config.rootfs.diffIDs = [layer.diffID]
        config.created = "2024-01-01T00:00:00Z"
        var execution = ImageConfig.Execution()
        execution.environment = ["PATH=/usr/bin", "LANG=C"]
        execution.command = ["sh"]
        config.config = execution
        let configBytes = try CanonicalJSON.encode(config)
        var descriptor = layer.descriptor
        descriptor.mediaType = .dockerLayerGzip
        var manifest = Manifest(config: Descriptor(describing: configBytes, as: .dockerConfig), layers: [descriptor])
        manifest.mediaType = .dockerManifest
        return try Image(
            manifestBytes: CanonicalJSON.encode(manifest), mediaType: .dockerManifest, configBytes: configBytes)
    }
}

import Contract
import Deployer
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// What a machine takes out of an image.
@Suite(.serialized) struct PlatformChoiceTests {
    private static let other = Platform(os: "linux", architecture: "s390x")

    private static func image(_ platform: Platform, _ layers: [Layer]) throws -> OCI.Image {
        var builder = ImageBuilder(platform: platform, steps: layers.map { .init($0, createdBy: "test") })
        builder.execution.entrypoint = ["/for/\(platform.architecture)"]
        return try builder.build()
    }

    private static func layer(_ name: String) throws -> Layer { try Layer([.file(name, Array(name.utf8))]) }

    @Test func `out of an index comes the machine's own, each layer once, and none is refused by name`() async throws {
        try await withRegistry { fixture in
            try await withTemporaryDirectory { directory in
                let registry = Registry(
                    RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
                let (one, two) = (try Self.layer("one"), try Self.layer("two"))
                let own = try Self.image(.host, [one, two, one])
                let foreign = try Self.image(Self.other, [two])
                let both = try MultiPlatformImage([own, foreign])
                let none = try MultiPlatformImage([
                    foreign, try Self.image(Platform(os: "linux", architecture: "riscv64"), [one]),
                ])
                try await registry.push(both, to: "kiln/both")
                try await registry.push(none, to: "kiln/none")
                try FileManager.default.createDirectory(
                    atPath: directory + "/layers", withIntermediateDirectories: true)
                let images = RegistryImages(
                    try LayerStore(
                        directory: directory + "/layers", cache: try BlobCache(directory: directory + "/blobs"),
                        registry: registry))
                func prepared(_ repository: String, _ digest: Contract.Digest) async throws -> PreparedImage {
                    try await images.rootFilesystem(
                        of: PinnedImage(registry: fixture.authority, repository: repository, digest: digest))
                }
                let found = try await prepared("kiln/both", both.digest)
                #expect(found.entrypoint == ["/for/\(Platform.host.architecture)"])
                #expect(found.layers == [two, one].map { "\(directory)/layers/\($0.diffID.hex)" })
                let error = await #expect(throws: OCIError.self) { _ = try await prepared("kiln/none", none.digest) }
                #expect(
                    error?.message.contains("for \(Platform.host): it is for linux/riscv64, linux/s390x") == true,
                    "\(String(describing: error))")
            }
        }
    }
}

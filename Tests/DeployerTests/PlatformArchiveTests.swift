import Contract
import FoundationEssentials
import Logging
import OCI
import Support
import Testing

@testable import Deployer

/// Archives of images for several platforms.
@Suite struct PlatformArchiveTests {
    private struct Record: ArchivedRecord {
        let snapshot: FunctionSnapshot

        func functions(
            _ names: [FunctionName], scratch: String
        ) async throws -> (snapshots: [FunctionSnapshot], numbers: [String: Int]) {
            ([snapshot], [snapshot.name.value: 1])
        }
    }

    @Test func `all platforms of an image are in an archive, and come out of it`() async throws {
        try await withRegistry { fixture in
            let registry = Registry(RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
            let image = try ForeignRegistryTests.images("hello")
            for part in image.parts { try await registry.push(part, to: "kiln/hello") }
            try await registry.putManifest(image.index, image.descriptor, to: "kiln/hello", tag: "b-hello")
            let path = fixture.directory + "/archive.tar"
            try await withStore { store in
                _ = try await reconciler(
                    store, deployed: image.descriptor.digest, in: registry, fixture.authority)
                let snapshot = FunctionSnapshot(try #require(try await store.function(name("hello"))))
                let export = ArchiveExport(
                    record: Record(snapshot: snapshot), registry: registry, secrets: [:], version: "test")
                _ = try await export.write(path, functions: [])
            }
            try await withRegistry { other in
                let target = Registry(RegistryEndpoint(name: other.authority, url: other.url), client: other.client)
                let archive = try ArchiveImport(path, blobs: other.directory + "/blobs")
                try await archive.run(archive.archive.functions, registry: target) { _ in }
                let found = try #require(try await target.descriptor("kiln/hello", .tag("r1")))
                #expect(found.digest == image.descriptor.digest && found.mediaType == .index)
                // Somebody else reads all of it.
                let copied = try await command(
                    "skopeo",
                    [
                        "copy", "--all", "--src-tls-verify=false", "docker://\(other.authority)/kiln/hello:r1",
                        "oci:\(other.directory)/copy:r1",
                    ])
                #expect(copied.succeeded, "\(copied.errors)")
                for part in image.parts {
                    let blob = "\(other.directory)/copy/blobs/sha256/\(part.digest.hex)"
                    #expect(FileManager.default.fileExists(atPath: blob))
                }
            }
        }
    }
}

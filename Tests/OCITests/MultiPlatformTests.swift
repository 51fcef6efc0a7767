import Contract
import OCI
import Support
import Testing
import Transfer

/// Images for several platforms, and platforms by their names.
@Suite(.serialized) struct MultiPlatformTests {
    @Test(arguments: [
        ("linux/amd64", "linux/amd64"), ("linux/arm64", "linux/arm64"), ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm/v7", "linux/arm/v7"), ("linux", nil), ("", nil), ("linux/", nil), ("linux/amd64/", nil),
        ("Linux/amd64", nil), ("linux/amd64/v1/x", nil), ("linux amd64", nil), ("linux/amd64 ", nil),
        ("linux/\u{e4}", nil),
    ])
    func `a platform is written in one way`(text: String, name: String?) throws {
        #expect((try? Platform(text))?.description == name)
        if name == nil { #expect(throws: OCIError.self) { try Platform(text) } }
    }

    private static func image(_ architecture: String, _ variant: String? = nil, _ content: String) throws -> Image {
        let own = try Layer([.file("own", Array(content.utf8))])
        let shared = try Layer([.file("shared", Array("shared".utf8))])
        var builder = ImageBuilder(
            platform: Platform(os: "linux", architecture: architecture, variant: variant),
            steps: [.init(own, createdBy: "test"), .init(shared, createdBy: "test")])
        builder.annotations = ["all": "same", "each": architecture]
        return try builder.build()
    }

    @Test func `an index says what its images agree in, and does not depend on their order`() throws {
        let (amd64, arm64) = (try Self.image("amd64", nil, "1"), try Self.image("arm64", "v8", "2"))
        let index = try MultiPlatformImage([arm64, amd64], annotations: ["more": "1"])
        let turned = try MultiPlatformImage([amd64, arm64], annotations: ["more": "1"])
        #expect(turned == index)
        #expect(index.isIndex && index.annotations == ["all": "same", "more": "1"])
        let document = try CanonicalJSON.decode(Index.self, from: index.bytes, what: "")
        #expect(document.mediaType == .index && document.manifests.map(\.digest) == [amd64.digest, arm64.digest])
        #expect(document.manifests.map(\.platform?.variant) == [nil, "v8"])
        #expect(index.image(for: Platform(os: "linux", architecture: "arm64")) == arm64)
        #expect(index.image(for: Platform(os: "linux", architecture: "s390x")) == nil)
        let single = try MultiPlatformImage([amd64], annotations: ["more": "1"])
        #expect(!single.isIndex && single.digest == amd64.digest && single.bytes == amd64.manifestBytes)
        #expect(throws: OCIError.self) { try MultiPlatformImage([amd64, amd64]) }
        #expect(throws: OCIError.self) { try MultiPlatformImage([Image]()) }
    }

    @Test func `a pushed index is read again, and a platform that it lacks is named with those it has`() async throws {
        try await withRegistry { fixture in
            let registry = Registry(
                RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
            let images = [try Self.image("ppc64le", nil, "1"), try Self.image("s390x", nil, "2")]
            let index = try MultiPlatformImage(images)
            try await registry.push(index, to: "some/image", tags: ["one", "two"])
            for tag in ["one", "two"] {
                let read = try await registry.images("some/image", .tag(tag))
                #expect(read.digest == index.digest && read.bytes == index.bytes)
                #expect(read.images == index.images.map(\.stored) && read.annotations == index.annotations)
            }
            let error = await #expect(throws: OCIError.self) { _ = try await registry.image("some/image", .tag("one")) }
            #expect(error?.code == .notFound)
            #expect(error?.message.contains("for \(Platform.host): it is for linux/ppc64le, linux/s390x.") == true)
            let single = try await registry.images("some/image", .digest(images[1].digest))
            #expect(!single.isIndex && single.digest == images[1].digest)
        }
    }
}

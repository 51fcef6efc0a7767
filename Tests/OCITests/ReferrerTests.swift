import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Artifacts about images, in a registry that lists them and in one that does not.
@Suite(.serialized) struct ReferrerTests {
    private static func image(_ text: String) throws -> Image {
        try ImageBuilder(steps: [.init(Layer([.file("x", Array(text.utf8))]), createdBy: "test")]).build()
    }

    private static func artifact(about image: Image, _ text: String) throws -> Artifact {
        try Artifact(.spdx, about: image.descriptor, content: Array(text.utf8), as: .spdx, annotations: ["n": text])
    }

    @Test func `without the registry's help a tag lists them, as the specification says`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let image = try Self.image("one")
            try await registry.push(image, to: "kiln/hello", tags: ["b-1"])
            #expect(try await registry.referrers(of: image.digest, in: "kiln/hello").isEmpty)
            let artifacts = try ["a", "b"].map { try Self.artifact(about: image, $0) }
            try await registry.push(artifacts, to: "kiln/hello")
            let found = try await registry.referrers(of: image.digest, in: "kiln/hello")
            #expect(found == artifacts.map(\.descriptor))
            #expect(found.allSatisfy { $0.artifactType == .spdx && $0.annotations?["n"] != nil })

            // By other eyes: the list is an OCI index, each artifact a manifest with a subject, the blob what was put in.
            let raw = try await command(
                "skopeo",
                [
                    "inspect", "--raw", "--tls-verify=false",
                    "docker://\(fixture.authority)/kiln/hello:sha256-\(image.digest.hex)",
                ])
            #expect(raw.output.contains(#""mediaType":"application/vnd.oci.image.index.v1+json""#), "\(raw.errors)")
            let manifest = try await command(
                "curl",
                [
                    "-s", "-H", "Accept: \(MediaType.manifest)",
                    "\(fixture.url)/v2/kiln/hello/manifests/\(artifacts[0].descriptor.digest)",
                ])
            #expect(manifest.output.contains(#""subject":{"digest":"\#(image.digest)""#), "\(manifest.output)")
            let blob = try await command(
                "curl", ["-s", "\(fixture.url)/v2/kiln/hello/blobs/\(artifacts[0].manifest.layers[0].digest)"])
            #expect(blob.output == "a")

            // Again is nothing new.
            try await registry.push(artifacts, to: "kiln/hello")
            #expect(try await registry.referrers(of: image.digest, in: "kiln/hello").count == 2)
        }
    }

    @Test func `many who add to one list at a time lose nothing`() async throws {
        try await withRegistry { fixture in
            let image = try Self.image("one")
            try await fixture.registry.push(image, to: "kiln/hello", tags: ["b-1"])
            // Each a process of its own, as far as they know of each other.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for builder in 1...6 {
                    let registry = fixture.registry
                    group.addTask {
                        for number in 1...2 {
                            try await registry.push(
                                [Self.artifact(about: image, "\(builder) \(number)")], to: "kiln/hello")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await fixture.registry.referrers(of: image.digest, in: "kiln/hello").count == 12)
        }
    }

    @Test func `a registry that lists them is asked, over all pages, and no tag is made`() async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry()
            let image = try Self.image("one")
            try await registry.push(image, to: "referring/x", tags: ["b-1"])
            let artifacts = try ["a", "b", "c"].map { try Self.artifact(about: image, $0) }
            try await registry.push(artifacts, to: "referring/x")
            let found = try await registry.referrers(of: image.digest, in: "referring/x")
            #expect(found.map(\.digest) == artifacts.map(\.descriptor.digest))
            let tag = "sha256-\(image.digest.hex)"
            #expect(try await registry.descriptor("referring/x", .tag(tag)) == nil)
        }
    }

    @Test func `the tags of attachments are told from others`() throws {
        let hex = String(repeating: "a", count: 64)
        let digest = try Digest("sha256:" + hex)
        #expect(AttachmentTag("sha256-\(hex)") == .referrers(digest))
        #expect(AttachmentTag("sha256-\(hex).sig") == .signatures(of: digest))
        #expect(AttachmentTag("sha256-\(hex).att")?.subject == digest)
        for tag in ["r1", "b-\(hex)", "sha256-\(hex)x", "sha256-\(hex).other", "sha256-abc", "sha256-"] {
            #expect(AttachmentTag(tag) == nil, "\(tag)")
        }
        for tag in ["sha256-\(hex)", "sha256-\(hex).sig"] { #expect(AttachmentTag(tag)?.text == tag) }
    }

    @Test func `equal input gives equal bytes, and an image without a subject has the bytes that it always had`() throws
    {
        let image = try Self.image("one")
        #expect(try Self.artifact(about: image, "a") == Self.artifact(about: image, "a"))
        #expect(!String(decoding: image.manifestBytes, as: UTF8.self).contains("subject"))
        #expect(!String(decoding: image.manifestBytes, as: UTF8.self).contains("artifactType"))
    }
}

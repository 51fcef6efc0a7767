import Contract
import Logging
import OCI
import Support
import Testing
import Transfer

@testable import Deployer

/// Garbage collection with a registry that is not Kiln's own: a docker-registry that lets its clients delete, and one that does not.
@Suite(.serialized) struct ForeignRegistryTests {
    private static func image(_ text: String) throws -> Image {
        let layer = try Layer([.directory("app"), .file("app/main.js", Array(text.utf8))])
        return try ImageBuilder(steps: [.init(layer, createdBy: "kiln: code")]).build()
    }

    /// Images of `text` for this machine and for another, and an index over them.
    static func images(_ text: String) throws -> (index: [UInt8], descriptor: Descriptor, parts: [Image]) {
        var parts: [Image] = []
        var named: [Descriptor] = []
        for platform in [Platform.host, Platform(os: "linux", architecture: "s390x")] {
            let layer = try Layer([.directory("app"), .file("app/main.js", Array(text.utf8))])
            let own = try Layer([.file("platform", Array(platform.description.utf8))])
            let image = try ImageBuilder(
                platform: platform, steps: [.init(own, createdBy: "base"), .init(layer, createdBy: "kiln: code")]
            ).build()
            parts.append(image)
            var descriptor = image.descriptor
            descriptor.platform = platform
            named.append(descriptor)
        }
        let index = try CanonicalJSON.encode(Index(manifests: named, annotations: ["dev.kiln.handler": "request"]))
        return (index, Descriptor(describing: index, as: .index), parts)
    }

    private func withImages(
        deletes: Bool, _ body: @Sendable (Collector, Registry, String) async throws -> Void
    ) async throws {
        try await withRegistry(deletes: deletes) { fixture in
            let registry = Registry(RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
            for text in ["one", "two"] {
                try await registry.push(try Self.image(text), to: "kiln/gone", tags: ["b-\(text)"])
            }
            // Somebody else's, in the same registry.
            try await registry.push(try Self.image("other"), to: "elsewhere/gone", tags: ["b-other"])
            try await withStore { store in
                let reconciler = Reconciler(
                    store: store, backend: RecordingBackend(), tags: RegistryTags(registry), epoch: "e",
                    logger: Logger(label: "test"))
                try await reconciler.start(base: nil)
                let collector = Collector(
                    reconciler: reconciler, inventory: RegistryInventory(registry, sweeper: nil), machine: nil,
                    logger: Logger(label: "test"))
                try await body(collector, registry, fixture.directory)
            }
        }
    }

    @Test func `images are deleted where that is allowed, and nobody else's`() async throws {
        try await withImages(deletes: true) { collector, registry, _ in
            let dry = try await collector.run(Retention(), .dryRun)
            #expect(dry.images.count == 2 && dry.notes == [])
            #expect(try await registry.tags("kiln/gone").count == 2)
            let report = try await collector.run(Retention(), .collect)
            #expect(report.images.count == 2)
            #expect(report.notes == ["The images are deleted; when their blobs are freed is up to the registry."])
            #expect(try await registry.tags("kiln/gone").isEmpty)
            #expect(try await registry.tags("elsewhere/gone") == ["b-other"])
            #expect(try await collector.run(Retention(), .collect).images.count == 0)
        }
    }

    @Test func `a registry that does not delete is said to, and its images stay`() async throws {
        try await withImages(deletes: false) { collector, registry, _ in
            let report = try await collector.run(Retention(), .collect)
            #expect(report.images.count == 0)
            #expect(
                report.notes == [
                    "The registry does not delete images: what is garbage there stays until its operator removes it."
                ])
            #expect(try await registry.tags("kiln/gone").sorted() == ["b-one", "b-two"])
        }
    }

    @Test func `what is beside an image goes with it, and what an interrupted run left of one that is gone`()
        async throws
    {
        try await withRegistry { fixture in
            let registry = Registry(RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
            let key = SigningKey()
            var images: [Image] = []
            for text in ["one", "two", "three"] {
                let image = try Self.image(text)
                images.append(image)
                try await registry.push(image, to: "kiln/hello", tags: ["b-\(text)"])
                try await registry.sign(image.digest, in: "kiln/hello", with: key)
                let bill = try Artifact(.spdx, about: image.descriptor, content: Array(text.utf8), as: .spdx)
                try await registry.push([bill], to: "kiln/hello")
            }
            // A run that ended right after it had deleted an image.
            #expect(try await registry.deleteManifest("kiln/hello", images[1].digest) == .deleted)
            try await withStore { store in
                let reconciler = Reconciler(
                    store: store, backend: RecordingBackend(), tags: RegistryTags(registry), epoch: "e",
                    logger: Logger(label: "test"))
                try await reconciler.start(base: nil)
                let ticket = try await store.issueTicket(for: name("hello"))
                let image = PinnedImage(
                    registry: fixture.authority, repository: "kiln/hello", digest: images[0].digest)
                _ = try await reconciler.deploy(
                    name("hello"),
                    DeployRequest(
                        ticket: ticket, image: image, spec: FunctionSpec(), wait: true, timings: [:]),
                    requestID: "x")
                let collector = Collector(
                    reconciler: reconciler, inventory: RegistryInventory(registry, sweeper: nil), machine: nil,
                    logger: Logger(label: "test"))
                let dry = try await collector.run(Retention(), .dryRun)
                let report = try await collector.run(Retention(), .collect)
                #expect(report.images.count == 1 && report.images == dry.images)
                #expect(try await collector.run(Retention(), .collect).images == .init())
            }
            let tags = Set(try await registry.tags("kiln/hello"))
            let kept = images[0].digest
            #expect(tags.subtracting(["r1"]) == ["b-one", "sha256-\(kept.hex)", "sha256-\(kept.hex).sig"])
            let verdict = try await registry.verdict(on: kept, in: "kiln/hello", by: [key.verifyingKey])
            #expect(verdict == .valid(by: key.verifyingKey))
            #expect(try await registry.referrers(of: kept, in: "kiln/hello").count == 1)
            let bill = try Artifact(.spdx, about: images[2].descriptor, content: Array("three".utf8), as: .spdx)
            #expect(try await registry.descriptor("kiln/hello", .digest(bill.descriptor.digest)) == nil)
        }
    }

    @Test func `the manifests of an image for several platforms go with it, unless another has them`() async throws {
        try await withRegistry { fixture in
            let registry = Registry(RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
            let (kept, gone) = (try Self.images("kept"), try Self.images("gone"))
            // A third one, which has one manifest of each.
            let mixed = try CanonicalJSON.encode(
                Index(manifests: [kept.parts[0].descriptor, gone.parts[1].descriptor]))
            for image in kept.parts + gone.parts { try await registry.push(image, to: "kiln/hello") }
            for (bytes, tag) in [(kept.index, "b-kept"), (gone.index, "b-gone"), (mixed, "b-mixed")] {
                try await registry.putManifest(
                    bytes, Descriptor(describing: bytes, as: .index), to: "kiln/hello", tag: tag)
            }
            let inventory = RegistryInventory(registry, sweeper: nil)
            let facts = try #require(try await inventory.facts(of: kept.descriptor.digest, in: "kiln/hello"))
            // The index, two manifests, two configurations, and three layers, of which both have one.
            #expect(facts.blobs.count == 8 && facts.layers.count == 3)
            #expect(facts.manifests == kept.parts.map(\.digest))
            try await withStore { store in
                let reconciler = try await DeployerTests.reconciler(
                    store, deployed: kept.descriptor.digest, in: registry, fixture.authority)
                let collector = Collector(
                    reconciler: reconciler, inventory: inventory, machine: nil, logger: Logger(label: "test"))
                #expect(try await collector.run(Retention(), .collect).images.count == 2)
                #expect(try await collector.run(Retention(), .collect).images == .init())
            }
            #expect(try await registry.tags("kiln/hello").sorted() == ["b-kept", "r1"])
            for part in kept.parts { #expect(try await inventory.has(part.digest, in: "kiln/hello")) }
            for part in gone.parts { #expect(try await !inventory.has(part.digest, in: "kiln/hello")) }
        }
    }
}

import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

@Suite(.serialized) struct AwkwardRegistryTests {
    @Test(arguments: [
        "plain", "relative", "dotted", "busy", "forgetful", "dropping", "dropping-late", "terse", "mountless",
        "forbidding",
    ])
    func `a push succeeds in spite of it`(quirk: String) async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry()
            let base = try RegistryTests.base()
            try await registry.push(base, to: "plain/base")
            let repository = quirk + "/f"
            let image = try RegistryTests.function(on: base, quirk)
            try await registry.withUploadSessions(repository) { sessions in
                try await registry.push(image, to: repository, tags: ["t"], base: "plain/base", sessions: sessions)
            }
            let descriptor = try await registry.descriptor(repository, .tag("t"))
            #expect(descriptor == image.descriptor)
            #expect(try await registry.image(repository, .tag("t")).digest == image.digest)
            #expect(try await awkward.openSessions() == "0", "no session is left behind")
        }
    }

    @Test func `base layers are mounted once and known from then on`() async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry()
            let base = try RegistryTests.base()
            try await registry.push(base, to: "plain/base")
            for code in ["1", "2", "3"] {
                try await registry.push(RegistryTests.function(on: base, code), to: "plain/f", base: "plain/base")
            }
            #expect(try await awkward.note("mounts") == "1")
            // Layer and configuration of the base, and of each function.
            #expect(try await awkward.note("puts") == "8")
            try await registry.push(RegistryTests.function(on: base, "3"), to: "plain/f", base: "plain/base")
            #expect(try await awkward.note("puts") == "8")
        }
    }

    @Test(arguments: [
        ("evil-upload", OCIError.Code.locationRefused), ("file-upload", .locationRefused), ("liar", .mismatch),
        ("liar-manifest", .mismatch),
    ])
    func `a push fails for a good reason`(quirk: String, code: OCIError.Code) async throws {
        try await withAwkwardRegistry { (awkward) async throws in
            let error = await #expect(throws: OCIError.self) {
                try await awkward.registry().push(RegistryTests.base(), to: quirk + "/x")
            }
            #expect(error?.code == code)
        }
    }

    @Test func `base layers are carried over where a registry does not mount`() async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry()
            let base = try RegistryTests.base()
            try await registry.push(base, to: "separate/base")
            let image = try RegistryTests.function(on: base, "x")
            try await registry.push(image, to: "separate/x", base: "separate/base")
            for layer in base.manifest.layers {
                #expect(try await registry.blob("separate/x", layer).count == layer.size)
            }
            let left = try FileManager.default.contentsOfDirectory(atPath: FileManager.default.temporaryDirectory.path)
            #expect(!left.contains { $0.hasPrefix("kiln-copy-") })
        }
    }

    @Test func `calls at the same time are all let in once credentials are asked for`() async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry(.basic(user: "u", password: "p"))
            try await withThrowingTaskGroup(of: Void.self) { group in
                for byte in 0..<16 as Range<UInt8> {
                    group.addTask {
                        try await registry.push(
                            .bytes([byte]), Descriptor(describing: [byte], as: .layerTar), to: "basic/x")
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `a missing base layer is named`() async throws {
        try await withAwkwardRegistry { awkward in
            let image = try RegistryTests.function(on: RegistryTests.base(), "x")
            let error = await #expect(throws: OCIError.self) {
                try await awkward.registry().push(image, to: "plain/x", base: "plain/base")
            }
            #expect(error?.code == .notFound)
            #expect(error?.message.contains(image.manifest.layers[0].digest.description) == true)
        }
    }

    @Test(
        arguments: [
            ("truncated", nil), ("redirect", nil), ("corrupt", .mismatch), ("endless", .mismatch),
            ("circle", .locationRefused),
            ("evil-redirect", .locationRefused),
        ] as [(String, OCIError.Code?)])
    func `a pull heals what passes and refuses what is wrong`(quirk: String, code: OCIError.Code?) async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry()
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let descriptor = Descriptor(describing: bytes, as: .layerTar)
            try await registry.push(.bytes(bytes), descriptor, to: "plain/x")
            try await withTemporaryDirectory { directory in
                let cache = try BlobCache(directory: directory)
                do throws(OCIError) {
                    #expect(try await registry.blob(quirk + "/x", descriptor) == bytes)
                    let path = try await registry.fetch(quirk + "/x", descriptor, into: cache)
                    #expect(code == nil && path == cache.path(of: descriptor.digest))
                } catch {
                    #expect(error.code == code, "\(error)")
                }
                let error =
                    code == nil
                    ? nil
                    : await #expect(throws: OCIError.self) {
                        try await registry.fetch(quirk + "/x", descriptor, into: cache)
                    }
                #expect(error?.code == code)
                #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/partial").isEmpty)
            }
        }
    }

    @Test func `a host that the operator trusts may be private`() async throws {
        try await withAwkwardRegistry { awkward in
            let descriptor = Descriptor(describing: [1, 2, 3], as: .layerTar)
            try await awkward.registry().push(.bytes([1, 2, 3]), descriptor, to: "plain/x")
            let trusting = awkward.registry(trusting: ["127.0.0.2"])
            // Nobody listens there; but it is called.
            let error = await #expect(throws: OCIError.self) { try await trusting.blob("evil-redirect/x", descriptor) }
            #expect(error?.code == .unreachable)
        }
    }

    @Test func `credentials are sent to the registry and not to where it redirects`() async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry(.basic(user: "u", password: "p"))
            let descriptor = Descriptor(describing: [1, 2, 3], as: .layerTar)
            try await registry.push(.bytes([1, 2, 3]), descriptor, to: "basic/x")
            #expect(try await registry.blob("redirect/x", descriptor) == [1, 2, 3])
            #expect(try await awkward.note("store-authorization") == "none")
            for credentials in [RegistryEndpoint.Credentials.anonymous, .basic(user: "u", password: "wrong")] {
                let error = await #expect(throws: OCIError.self) {
                    try await awkward.registry(credentials).push(
                        .bytes([1]), Descriptor(describing: [1], as: .layerTar), to: "basic/x")
                }
                #expect(error?.code == .unauthorized)
            }
        }
    }

    @Test func `tokens are fetched for what is done, kept, and widened when asked`() async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry(.basic(user: "u", password: "p"))
            let descriptor = Descriptor(describing: [1, 2, 3], as: .layerTar)
            try await registry.push(.bytes([1, 2, 3]), descriptor, to: "bearer/x")
            #expect(try await awkward.note("tokens") == "1")
            #expect(try await awkward.note("scopes") == "repository:bearer/x:pull,push")
            #expect(try await awkward.note("service") == "s t")
            #expect(try await registry.mount(descriptor.digest, to: "bearer/y", from: "bearer/x"))
            #expect(try await awkward.note("scopes") == "repository:bearer/y:pull,push|repository:bearer/x:pull")
            _ = try await registry.deleteTag("more-scope/x", "t")
            #expect(
                try await awkward.note("scopes") == "repository:more-scope/x:pull,push|repository:more-scope/x:delete")
            let error = await #expect(throws: OCIError.self) {
                try await awkward.registry(.basic(user: "wrong", password: "p")).blob("bearer/x", descriptor)
            }
            #expect(error?.code == .unauthorized)
            let evil = await #expect(throws: OCIError.self) {
                try await awkward.registry().blob("evil-realm/x", descriptor)
            }
            #expect(evil?.code == .locationRefused)
            #expect(evil?.message.contains("--registry-trusted-host 127.0.0.2") == true, "\(evil?.message ?? "")")
        }
    }

    @Test func `pages of tags are followed, and nothing is made of nothing`() async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry()
            let all = try await registry.tags("plain/x")
            #expect(all == ["t2", "t3", "t4", "t5", "t6", "t7"])
            #expect(try await registry.tags("null-tags/x").isEmpty)
            let error = await #expect(throws: OCIError.self) { try await registry.tags("evil-tags/x") }
            #expect(error?.code == .locationRefused)
            #expect(try await registry.deleteTag("plain/x", "t") == .unsupported)
        }
    }

    @Test func `a manifest is what its digest says`() async throws {
        try await withAwkwardRegistry { awkward in
            let registry = awkward.registry()
            let image = try RegistryTests.base()
            try await registry.push(image, to: "corrupt-manifest/x", tags: ["t"])
            for name in [ImageReference.Selector.tag("t"), .digest(image.digest)] {
                let error = await #expect(throws: OCIError.self) {
                    try await registry.manifest("corrupt-manifest/x", name)
                }
                #expect(error?.code == .mismatch)
            }
        }
    }

    @Test(arguments: ["../x", "A/b", "a//b", "a/b?x", ""])
    func `a repository that is none never reaches the registry`(repository: String) async throws {
        let registry = Registry(RegistryEndpoint(name: "x", url: "http://127.0.0.1:1"), client: try HTTPClient())
        let error = await #expect(throws: OCIError.self) { try await registry.tags(repository) }
        #expect(error?.code == .unsupported)
    }
}

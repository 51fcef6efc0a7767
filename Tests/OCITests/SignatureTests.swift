import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Signatures as cosign makes them, with OpenSSL as a second opinion.
@Suite(.serialized) struct SignatureTests {
    private static func image(_ text: String) throws -> Image {
        try ImageBuilder(steps: [.init(Layer([.file("x", Array(text.utf8))]), createdBy: "test")]).build()
    }

    private struct Signed: Decodable {
        struct Layer: Decodable {
            var mediaType: String
            var digest: String
            var annotations: [String: String]
        }
        var layers: [Layer]
    }

    @Test func `openssl verifies what is beside an image`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let image = try Self.image("one")
            try await registry.push(image, to: "kiln/hello", tags: ["b-1"])
            let key = SigningKey()
            #expect(
                try await registry.verdict(on: image.digest, in: "kiln/hello", by: [key.verifyingKey]) == .unsigned)
            try await registry.sign(image.digest, in: "kiln/hello", with: key)

            let tag = "sha256-\(image.digest.hex).sig"
            let raw = try await command(
                "skopeo", ["inspect", "--raw", "--tls-verify=false", "docker://\(fixture.authority)/kiln/hello:\(tag)"])
            let signed = try JSONDecoder().decode(Signed.self, from: Data(raw.output.utf8))
            let layer = try #require(signed.layers.first)
            #expect(layer.mediaType == "application/vnd.dev.cosign.simplesigning.v1+json")
            let signature = try #require(layer.annotations["dev.cosignproject.cosign/signature"])
            let payload = try await command("curl", ["-s", "\(fixture.url)/v2/kiln/hello/blobs/\(layer.digest)"]).output
            #expect(
                payload
                    == #"{"critical":{"identity":{"docker-reference":"\#(fixture.authority)/kiln/hello"},"image":{"docker-manifest-digest":"\#(image.digest)"},"type":"cosign container image signature"},"optional":null}"#
            )
            let directory = fixture.directory
            try Data(key.verifyingKey.pem.utf8).write(to: URL(filePath: directory + "/key.pub"))
            try #require(Data(base64Encoded: signature)).write(to: URL(filePath: directory + "/signature"))
            try Data(payload.utf8).write(to: URL(filePath: directory + "/payload"))
            let verified = try await command(
                "openssl", ["dgst", "-sha256", "-verify", "key.pub", "-signature", "signature", "payload"],
                in: directory)
            #expect(verified.output == "Verified OK\n", "\(verified.errors)")

            // A second time is nothing new; another key's stands beside it.
            let before = try await registry.descriptor("kiln/hello", .tag(tag))
            try await registry.sign(image.digest, in: "kiln/hello", with: key)
            #expect(try await registry.descriptor("kiln/hello", .tag(tag)) == before)
            let other = SigningKey()
            #expect(
                try await registry.verdict(on: image.digest, in: "kiln/hello", by: [other.verifyingKey]) == .otherKey)
            try await registry.sign(image.digest, in: "kiln/hello", with: other)
            for one in [key, other] {
                let verdict = try await registry.verdict(on: image.digest, in: "kiln/hello", by: [one.verifyingKey])
                #expect(verdict == .valid(by: one.verifyingKey))
            }
        }
    }

    @Test func `openssl's signature under cosign's tag is taken, one that was moved is not`() async throws {
        try await withRegistry { fixture in
            let registry = fixture.registry
            let (one, two) = (try Self.image("one"), try Self.image("two"))
            for image in [one, two] { try await registry.push(image, to: "kiln/hello") }
            let directory = fixture.directory
            let made = try await command(
                "openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "kiln.key"],
                in: directory)
            try #require(made.succeeded, "\(made.errors)")
            let pem = try String(contentsOf: URL(filePath: directory + "/kiln.key"), encoding: .utf8)
            let key = try SigningKey(pem: pem, what: "kiln.key")
            try await registry.sign(one.digest, in: "kiln/hello", with: key)
            let verdict = try await registry.verdict(on: one.digest, in: "kiln/hello", by: [key.verifyingKey])
            #expect(verdict == .valid(by: key.verifyingKey))

            // The same manifest under the tag of another image.
            let (descriptor, bytes) = try await registry.manifest(
                "kiln/hello", .tag("sha256-\(one.digest.hex).sig"))
            try await registry.putManifest(
                bytes, descriptor, to: "kiln/hello", tag: "sha256-\(two.digest.hex).sig")
            let moved = try await registry.verdict(on: two.digest, in: "kiln/hello", by: [key.verifyingKey])
            #expect(moved == .otherImage)

            // A payload that is not what was signed.
            var manifest = try JSONDecoder().decode(Manifest.self, from: Data(bytes))
            let forged = try SimpleSigningForgery.payload(of: two, fixture.authority)
            try await registry.push(
                .bytes(forged), Descriptor(describing: forged, as: .simpleSigning), to: "kiln/hello")
            manifest.layers[0] = Descriptor(
                mediaType: .simpleSigning, digest: Descriptor(describing: forged, as: .simpleSigning).digest,
                size: forged.count, annotations: manifest.layers[0].annotations)
            let altered = try JSONEncoder().encode(manifest)
            try await registry.putManifest(
                Array(altered), Descriptor(describing: Array(altered), as: .manifest), to: "kiln/hello",
                tag: "sha256-\(two.digest.hex).sig")
            let refused = try await registry.verdict(on: two.digest, in: "kiln/hello", by: [key.verifyingKey])
            #expect(refused == .otherKey)
        }
    }

    @Test func `builders with different keys that sign at once leave all signatures`() async throws {
        try await withRegistry { fixture in
            let image = try Self.image("one")
            try await fixture.registry.push(image, to: "kiln/hello")
            let keys = (1...3).map { _ in SigningKey() }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for key in keys {
                    let registry = fixture.registry
                    group.addTask { try await registry.sign(image.digest, in: "kiln/hello", with: key) }
                }
                try await group.waitForAll()
            }
            for key in keys {
                let verdict = try await fixture.registry.verdict(
                    on: image.digest, in: "kiln/hello", by: [key.verifyingKey])
                #expect(verdict == .valid(by: key.verifyingKey))
            }
        }
    }

    @Test(arguments: [
        ["ecparam", "-name", "prime256v1", "-genkey"],
        ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ])
    func `keys are taken as openssl makes them`(arguments: [String]) async throws {
        let made = try await command("openssl", arguments)
        let key = try SigningKey(pem: made.output, what: "a file")
        let published = try await command("openssl", ["pkey", "-pubout"], input: Array(made.output.utf8))
        #expect(try VerifyingKey(pem: published.output, what: "a file") == key.verifyingKey)
        #expect(published.output == key.verifyingKey.pem)
        #expect(try SigningKey(pem: key.pem, what: "a file").verifyingKey == key.verifyingKey)
    }

    @Test func `other keys are refused with what to do`() async throws {
        let encrypted = try await command(
            "openssl",
            ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-aes256", "-pass", "pass:x"])
        let larger = try await command(
            "openssl", ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"])
        let cosign =
            "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
        for (pem, words) in [
            (encrypted.output, "is encrypted"), (cosign, "is encrypted"), (larger.output, "P-256"), ("", "P-256"),
        ] {
            let error = #expect(throws: OCIError.self) { try SigningKey(pem: pem, what: "the file") }
            #expect(error?.message.contains(words) == true && error?.message.contains("openssl genpkey") == true)
        }
        #expect(throws: OCIError.self) { try VerifyingKey(pem: SigningKey().pem, what: "the file") }
    }
}

private enum SimpleSigningForgery {
    static func payload(of image: Image, _ authority: String) throws -> [UInt8] {
        try SimpleSigning(image.digest, repository: "kiln/hello", registry: authority).bytes()
    }
}

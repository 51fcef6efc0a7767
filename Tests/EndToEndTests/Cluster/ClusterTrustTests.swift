import Contract
import Foundation
import Kubernetes
import OCI
import Support
import Testing
import Transfer

/// A cluster whose Deployers demand signatures.
@Suite(.serialized) struct ClusterTrustTests {
    @Test(.timeLimit(.minutes(3)))
    func `an object's image is held against the demanded signatures like a deploy's`() async throws {
        let key = SigningKey()
        let path = "/tmp/kiln-e2e-key-\(String(UInt32.random(in: 0 ... .max), radix: 16)).pub"
        try Data(key.verifyingKey.pem.utf8).write(to: URL(filePath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await withCluster(options: ["--verify-key", path]) { cluster in
            let fixture = cluster.registry
            let registry = Registry(RegistryEndpoint(name: fixture.authority, url: fixture.url), client: fixture.client)
            let digests = try ["a", "b"].map { try Digest("sha256:" + String(repeating: $0, count: 64)) }
            try await registry.sign(digests[0], in: "kiln/hello", with: key)
            try await registry.sign(digests[1], in: "kiln/hello", with: SigningKey())

            try await cluster.apply("hello", image: "a")
            try await eventually("the signed one answers") { try await cluster.served("hello") == "hello-r1" }
            let refused: [(image: Character, reason: String, words: String)] = [
                ("b", "ImageSignedByAnother", "key"), ("c", "ImageUnsigned", "no signature"),
            ]
            for (index, (image, reason, words)) in refused.enumerated() {
                try await cluster.apply("hello", image: image)
                try await eventually("the object tells why \(image) is refused") {
                    let function = try await cluster.function("hello")
                    return function?.condition("Degraded") == "True \(reason)" && function?.status?.live == 1
                        && function?.condition("Ready") == "True Serving"
                }
                let degraded = try await cluster.function("hello")?.status?.conditions?.first { $0.type == "Degraded" }
                #expect(degraded?.message?.contains(words) == true, "\(degraded?.message ?? "-")")
                let revision = "hello-r\(index + 2)"
                #expect(
                    try await cluster.api.get(DeploymentDocument.self, revision, in: Cluster.functions) == nil)
                #expect(try await cluster.served("hello") == "hello-r1")
            }
            let back = try await cluster.call(.post, "/func/hello/rollback?to=3")
            #expect(back.status == 422 && back.json["type"] as? String == "urn:kiln:image-unsigned", "\(back.text)")

            try await registry.sign(digests[1], in: "kiln/hello", with: key)
            try await cluster.apply("hello", image: "b", min: 2)
            try await eventually("what is signed meanwhile answers") { try await cluster.served("hello") == "hello-r4" }
        }
    }
}

import Contract
import OCI
import Testing

@Suite struct ModelTests {
    @Test func `documents are compact, sorted and always say their type`() throws {
        let digest = try Digest("sha256:" + String(repeating: "a", count: 64))
        let config = Descriptor(mediaType: .config, digest: digest, size: 2)
        let manifest = Manifest(config: config, layers: [], annotations: ["b": "/", "a": "é"])
        let text = String(decoding: try CanonicalJSON.encode(manifest), as: UTF8.self)
        #expect(
            text == """
                {"annotations":{"a":"é","b":"/"},"config":{"digest":"\(digest)",\
                "mediaType":"application/vnd.oci.image.config.v1+json","size":2},"layers":[],\
                "mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2}
                """)
    }

    @Test func `an index yields the manifest of the platform and never unknown`() throws {
        func entry(_ os: String, _ architecture: String, _ variant: String?, _ character: Character) throws
            -> Descriptor
        {
            Descriptor(
                mediaType: .manifest, digest: try Digest("sha256:" + String(repeating: character, count: 64)), size: 1,
                platform: Platform(os: os, architecture: architecture, variant: variant))
        }
        let index = Index(manifests: [
            try entry("unknown", "unknown", nil, "0"), try entry("linux", "arm", "v6", "1"),
            try entry("linux", "arm", "v7", "2"),
            try entry("linux", "arm64", "v8", "3"), try entry("windows", "amd64", nil, "4"),
        ])
        #expect(index.manifest(for: Platform(os: "linux", architecture: "arm", variant: "v7"))?.digest.hex.first == "2")
        #expect(index.manifest(for: Platform(os: "linux", architecture: "arm64"))?.digest.hex.first == "3")
        #expect(index.manifest(for: Platform(os: "linux", architecture: "amd64")) == nil)
    }

    @Test func `a manifest without a type is OCI's, and one of another schema is none`() throws {
        let digest = "sha256:" + String(repeating: "a", count: 64)
        func manifest(_ version: Int) -> [UInt8] {
            Array(
                #"{"schemaVersion":\#(version),"config":{"mediaType":"x","digest":"\#(digest)","size":1},"layers":[]}"#
                    .utf8)
        }
        #expect(try CanonicalJSON.decode(Manifest.self, from: manifest(2), what: "").mediaType == .manifest)
        #expect(throws: OCIError.self) { try CanonicalJSON.decode(Manifest.self, from: manifest(1), what: "") }
    }

    @Test func `environment variables are replaced by name, arguments go with their program`() {
        var execution = ImageConfig.Execution()
        execution.environment = ["A=1", "AB=2"]
        execution.setEnvironment("A", "3")
        execution.setEnvironment("C", "4")
        #expect(execution.environment == ["A=3", "AB=2", "C=4"])
        execution.command = ["old"]
        execution.setEntrypoint(["/run"])
        #expect(execution.command == nil)
    }
}

import Foundation
import Support
import Testing
import Transfer

/// Images for several platforms on a real machine, from a base image that other tools have made.
@Suite(.serialized) struct PlatformListTests {
    #if arch(x86_64)
        private static let (own, other) = ("amd64", "arm64")
    #else
        private static let (own, other) = ("arm64", "amd64")
    #endif

    @Test(arguments: [
        (["--platforms", "linux"], "'linux' is no platform"), (["--platforms", ""], "'' is no platform"),
        (["--platforms", "linux/amd64,"], "'' is no platform"), (["--platforms", "Linux/amd64"], "is no platform"),
        (
            ["--platforms", "linux/s390x"],
            "cannot be made for linux/s390x: there is Deno for linux/amd64 and linux/arm64"
        ),
        (["--platforms", "linux/\(own),linux/\(own)"], "names linux/\(own) twice"),
        (["--platforms", "linux/\(other)"], "machine's own, linux/\(own)"),
        (["--platforms", "linux/\(own),linux/\(other)"], "needs --base-image"),
    ])
    func `a list that cannot be is refused at the start`(arguments: [String], sentence: String) throws {
        let role = ["--deno", Platform.deno, "--state-dir", "/tmp/kiln-e2e-no-such-\(UInt32.random(in: 0 ... .max))"]
        let result = try run(Platform.program, ["up"] + role + arguments)
        #expect(result.code != 0 && result.output.contains("--platforms"), "\(result.output)")
        #expect(result.output.contains(sentence), "\(result.output)")
        try? FileManager.default.removeItem(atPath: role[3])
    }

    /// Makes `tools/deno:all` in `registry`: the base image of `platform` for this machine, and for the other one an image with what stands for Deno.
    private static func makeBase(of platform: Platform, in registry: RegistryFixture) async throws {
        try await withTemporaryDirectory { directory in
            func run(_ name: String, _ arguments: [String]) async throws {
                let outcome = try await Support.command(name, arguments, in: directory)
                #expect(outcome.succeeded, "\(name) \(arguments): \(outcome.errors)")
            }
            let target = "docker://\(registry.authority)/tools/deno"
            let plain = ["--src-tls-verify=false", "--dest-tls-verify=false"]
            try await run(
                "skopeo",
                ["copy", "--quiet"] + plain + ["docker://\(platform.registry)/kiln/base:current", target + ":own"])
            try await run("mkdir", ["-p", "root/usr/bin"])
            try Data("for another processor".utf8).write(to: URL(filePath: directory + "/root/usr/bin/deno"))
            try await run("tar", ["-C", "root", "-cf", "root.tar", "."])
            try await run("umoci", ["init", "--layout", "layout"])
            try await run("umoci", ["new", "--image", "layout:other"])
            try await run("umoci", ["raw", "add-layer", "--image", "layout:other", "root.tar"])
            try await run("umoci", ["config", "--image", "layout:other", "--os", "linux", "--architecture", other])
            try await run(
                "skopeo", ["copy", "--quiet", "--dest-tls-verify=false", "oci:layout:other", target + ":other"])
            var manifests: [String] = []
            for (tag, architecture) in [("own", own), ("other", other)] {
                let answer = try await registry.client.collect(
                    ClientRequest(
                        .get, "\(registry.url)/v2/tools/deno/manifests/\(tag)",
                        headers: ["Accept": "application/vnd.oci.image.manifest.v1+json"]))
                let digest = try #require(answer.headers["Docker-Content-Digest"])
                manifests.append(
                    #"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"\#(digest)","size":\#(answer.body.count),"#
                        + #""platform":{"os":"linux","architecture":"\#(architecture)"}}"#)
            }
            let type = "application/vnd.oci.image.index.v1+json"
            let index =
                #"{"schemaVersion":2,"mediaType":"\#(type)","manifests":[\#(manifests.joined(separator: ","))]}"#
            let stored = try await registry.client.collect(
                ClientRequest(
                    .put, "\(registry.url)/v2/tools/deno/manifests/all", headers: ["Content-Type": type],
                    body: .bytes(Array(index.utf8))))
            #expect(stored.status == 201, "\(stored.text)")
        }
    }

    private func document(_ digest: String, of name: String, _ platform: Platform) async throws -> [String: Any] {
        let types = ["manifest", "index"].map { "application/vnd.oci.image.\($0).v1+json" }
        let answer = try await platform.client.collect(
            ClientRequest(
                .get, "http://\(platform.registry)/v2/kiln/\(name)/manifests/\(digest)",
                headers: ["Accept": types.joined(separator: ", ")]))
        return try #require(try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any])
    }

    @Test func `a function runs here from an image that has the other platform too, and stays whole`() async throws {
        try await withRegistry { registry in
            try await withPlatform { try await Self.makeBase(of: $0, in: registry) }
            let arguments = [
                "--base-image", "\(registry.authority)/tools/deno:all", "--platforms",
                "linux/\(Self.other),linux/\(Self.own)",
            ]
            try await withPlatform(arguments: arguments) { platform in
                func kiln(_ arguments: String...) throws -> (code: Int32, output: String) {
                    try run(Platform.program, arguments + ["--url", platform.url])
                }
                for text in ["one", "two", "three"] {
                    try await platform.mustDeploy("hello", "export default () => new Response('\(text)');")
                    #expect(try await platform.get("/fn/hello").text == text)
                }
                // What is compiled ahead is in one of the two.
                let lines = (0..<3000).map { "export function f\($0)(): number { return \($0); }" }
                let large = "export default (): Response => new Response('large');\n" + lines.joined(separator: "\n")
                let compiled = try await platform.mustDeploy("large", large)
                #expect(try await platform.get("/fn/large").text == "large")
                let digest = try #require(compiled.json["digest"] as? String)
                let index = try await document(digest, of: "large", platform)
                var digests: Set<String> = []
                for one in try #require(index["manifests"] as? [[String: Any]]) {
                    let manifest = try await document(try #require(one["digest"] as? String), of: "large", platform)
                    let layers = try #require(manifest["layers"] as? [[String: Any]])
                    digests.insert(try #require(layers.last?["digest"] as? String))
                }
                #expect(digests.count == 2)
                #expect(try kiln("verify", "large").code == 0)

                let again = try await platform.deploy("hello", "export default () => new Response('three');")
                #expect(again.status == 200 && again.text.contains(#""unchanged":true"#), "\(again.text)")
                let bases = try kiln("base", "list").output
                #expect(bases.contains("linux/amd64,linux/arm64"), "\(bases)")
                #expect(try kiln("rebake", "hello").output.contains("unchanged, revision 3"))

                // What still has instances is not collected.
                try await eventually("the first revision is collected", within: .seconds(60)) {
                    try kiln("gc", "--keep", "0", "--keep-for", "0s").output.contains("hello")
                }
                let verified = try kiln("verify", "hello")
                #expect(
                    verified.code == 0 && verified.output.contains("linux/\(Self.other) code layer"),
                    "\(verified.output)")
                #expect(verified.output.contains("and signed") && !verified.output.contains("different"))
                let image = "docker://\(platform.registry)/kiln/hello:r3"
                try await withTemporaryDirectory { directory in
                    let copied = try await Support.command(
                        "skopeo",
                        [
                            "--override-arch", Self.other, "copy", "--quiet", "--src-tls-verify=false", image,
                            "oci:\(directory)/copy:other",
                        ])
                    #expect(copied.succeeded, "\(copied.errors)")
                }
            }
        }
    }
}

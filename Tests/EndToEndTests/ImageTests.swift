import Foundation
import Support
import Testing
import Transfer

/// The images are real: programs that no one here wrote read and run them.
@Suite(.serialized) struct ImageTests {
    private let source = "export default () => new Response('outside');"

    @Test func `skopeo, umoci and podman read the image, and it serves outside Kiln`() async throws {
        try await withPlatform { platform in
            let deployed = try await platform.mustDeploy("image", source)
            let digest = try #require(deployed.json["digest"] as? String)
            let remote = "docker://\(platform.registry)/kiln/image:r1"
            try await eventually("the revision is tagged") {
                try run("skopeo", ["inspect", "--tls-verify=false", "--format", "{{.Digest}}", remote]).output.contains(
                    digest)
            }
            let layout = platform.state + "/layout"
            let copied = try run("skopeo", ["copy", "--src-tls-verify=false", remote, "oci:\(layout):r1"])
            #expect(copied.code == 0, "\(copied.output)")
            let bundle = platform.state + "/bundle"
            let unpacked = try run("umoci", ["unpack", "--image", "\(layout):r1", bundle])
            #expect(unpacked.code == 0, "\(unpacked.output)")
            let code = try String(contentsOfFile: bundle + "/rootfs/app/main.js", encoding: .utf8)
            #expect(code.contains("outside"))
            try await servesUnderRunc(bundle, platform.state)
        }
    }

    @Test func `the same source gives the same digests from two fresh state directories`() async throws {
        var digests: Set<String> = []
        for _ in 0..<2 {
            try await withPlatform { platform in
                let deployed = try await platform.mustDeploy("same", source)
                digests.insert(try #require(deployed.json["digest"] as? String))
            }
        }
        #expect(digests.count == 1, "\(digests)")
    }

    @Test func `Kiln's own image has all that it needs to make that image again`() async throws {
        try await withRegistry { registry in
            let place = "\(registry.authority)/tools/kiln"
            let made = try run(Platform.program, ["image", "\(place):one", "--deno", Platform.deno])
            #expect(made.code == 0, "\(made.output)")
            let digest = try #require(made.output.split(separator: "@").last?.filter { !$0.isWhitespace })
            try await withTemporaryDirectory { directory in
                let copied = try run(
                    "skopeo",
                    ["copy", "--src-tls-verify=false", "docker://\(place):one", "oci:\(directory)/layout:one"])
                #expect(copied.code == 0, "\(copied.output)")
                let unpacked = try run(
                    "umoci", ["unpack", "--image", "\(directory)/layout:one", "\(directory)/bundle"])
                #expect(unpacked.code == 0, "\(unpacked.output)")
                let root = "\(directory)/bundle/rootfs"
                // With nothing of this machine but its network, and as the user that the image names.
                let script =
                    "mount -t proc proc '\(root)/proc' && exec env -i PATH=/usr/sbin:/bin chroot --userspec=65532:65532 '\(root)' "
                    + "/usr/local/bin/kiln image \(place):two"
                let again = try run("unshare", ["-m", "--propagation", "private", "sh", "-c", script])
                #expect(again.code == 0 && again.output.contains(digest), "\(again.output)")
                let deno = try run("chroot", [root, "/usr/local/lib/kiln/deno", "--version"])
                #expect(deno.output.contains("deno 2."), "\(deno.output)")
            }
        }
    }

    @Test(arguments: [
        (["image", "kiln:1"], "no place for an image"), (["image", "127.0.0.1:1/kiln"], "no place for an image"),
        (["image", "127.0.0.1:1/kiln:1", "--deno", "/nowhere"], "There is no Deno at /nowhere"),
        (["image", "127.0.0.1:1/kiln@sha256:\(String(repeating: "0", count: 64))"], "Name a tag"),
    ])
    func `an image that cannot be made or kept is refused with a sentence`(arguments: [String], sentence: String) throws
    {
        let refused = try run(Platform.program, arguments)
        #expect(refused.code != 0 && refused.output.contains(sentence), "\(refused.output)")
    }

    /// Runs the unpacked bundle by plain runc, sharing this machine's network, and calls it.
    private func servesUnderRunc(_ bundle: String, _ state: String) async throws {
        let file = URL(filePath: bundle + "/config.json")
        var config = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        var process = try #require(config["process"] as? [String: Any])
        let port = try freePort()
        process["terminal"] = false
        let environment = process["env"] as? [String] ?? []
        process["env"] =
            environment.filter { !$0.hasPrefix("DENO_SERVE_ADDRESS=") } + ["DENO_SERVE_ADDRESS=tcp:127.0.0.1:\(port)"]
        config["process"] = process
        var linux = try #require(config["linux"] as? [String: Any])
        linux["namespaces"] = (linux["namespaces"] as? [[String: Any]])?.filter { $0["type"] as? String != "network" }
        config["linux"] = linux
        try JSONSerialization.data(withJSONObject: config).write(to: file)
        let id = "kiln-test-\(UInt32.random(in: 0 ... .max))"
        let started = try run(
            "sh",
            ["-c", "cd '\(bundle)' && runc --root '\(state)/runc' run -d \(id) >'\(state)/runc.log' 2>&1 </dev/null"])
        #expect(started.code == 0, "\((try? String(contentsOfFile: state + "/runc.log", encoding: .utf8)) ?? "")")
        defer { _ = try? run("runc", ["--root", state + "/runc", "delete", "-f", id]) }
        try await eventually("the image answers on its own") {
            try run("curl", ["-s", "http://127.0.0.1:\(port)/"]).output == "outside"
        }
    }
}

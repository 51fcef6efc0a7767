import Foundation
import Support
import Testing
import Transfer

/// `kiln up` with a registry of somebody else's: the Builder pushes there, the Deployer tags, pulls and deletes there.
@Suite(.serialized) struct PrivateRegistryTests {
    private static let everything = "/gc?keep=0&keep-for=0s"

    private func source(_ text: String) -> String { "export default () => new Response('\(text)');" }

    /// Gives `body` a platform whose images are below `acme/functions` of `registry`.
    private func withPlatform(
        _ registry: PrivateRegistry, _ arguments: [String] = [], _ body: (Platform) async throws -> Void
    ) async throws {
        let place = ["--registry", registry.authority + "/acme/functions"]
        try await EndToEndTests.withPlatform(arguments: place + arguments, body)
    }

    @Test(.timeLimit(.minutes(4)))
    func `with TLS, a password and a path of its own: deploy, roll back, collect, and new credentials need no restart`()
        async throws
    {
        try await withPrivateRegistry { registry in
            let settings = PrivateRegistry.Settings(access: .password, hasTLS: true)
            try registry.login("swordfish")
            try await registry.start(settings)
            let arguments = [
                "--registry-ca", registry.certificates, "--registry-credentials", registry.credentials, "--log-level",
                "trace",
            ]
            try await withPlatform(registry, arguments) { platform in
                let first = try await platform.mustDeploy("hello", source("one"))
                let image = try #require(first.json["image"] as? String)
                #expect(image.hasPrefix(registry.authority + "/acme/functions/hello@sha256:"))
                try await platform.mustDeploy("hello", source("two"))
                try await platform.mustDeploy("hello", source("three"))
                #expect(try await platform.get("/fn/hello").text == "three")
                #expect(try await platform.call(.post, "/func/hello/rollback?to=1").status == 200)
                #expect(try await platform.get("/fn/hello").text == "one")

                // What no one here wrote finds the images with the same credentials.
                let inspected = try registry.skopeo(["inspect", "docker://\(image)"])
                #expect(inspected.contains(String(try #require(image.split(separator: "@").last))))
                try registry.skopeo(["copy", "docker://\(image)", "dir:\(registry.directory)/copy"])
                #expect(try registry.tags("acme/functions/hello").filter { $0.hasPrefix("r") } == ["r1", "r2", "r3"])
                #expect(
                    !FileManager.default.fileExists(
                        atPath: registry.directory + "/data/docker/registry/v2/repositories/kiln"))

                // What no revision needs goes, and nothing of another repository.
                try registry.skopeo([
                    "copy", "--dest-tls-verify=true", "--dest-cert-dir", registry.directory, "docker://\(image)",
                    "docker://\(registry.authority)/acme/other:b-1",
                ])
                try await eventually("revision 2 is collected", within: .seconds(60)) {
                    _ = try await platform.call(.post, Self.everything)
                    return try registry.tags("acme/functions/hello").filter { $0.hasPrefix("r") } == ["r1", "r3"]
                }
                #expect(try registry.tags("acme/other") == ["b-1"])
                #expect(try await platform.get("/fn/hello").text == "one")

                // Other credentials, first at the registry: refused, with a sentence that names host and file.
                try await Task.sleep(for: .seconds(1.1))
                try registry.allow("marlin-42")
                let refused = try await platform.deploy("hello", source("four"))
                #expect(refused.status == 502, "\(refused.text)")
                #expect(refused.text.contains(registry.credentials) && refused.text.contains(registry.authority))
                #expect(refused.text.contains("wrong or expired"), "\(refused.text)")
                try registry.login("marlin-42")
                try await platform.mustDeploy("hello", source("four"))
                #expect(try await platform.get("/fn/hello").text == "four")

                for secret in ["swordfish", "marlin-42"] {
                    #expect(!platform.log.contains(secret) && !refused.text.contains(secret))
                    let encoded = Data("kiln:\(secret)".utf8).base64EncodedString()
                    #expect(!platform.log.contains(encoded))
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `what a registry refuses is told with what to do about it`() async throws {
        try await withPrivateRegistry { registry in
            try await registry.start(.init())
            try await withPlatform(registry) { platform in
                for text in ["zero", "one", "two"] { try await platform.mustDeploy("hello", source(text)) }
                func refusal(_ words: String, _ settings: PrivateRegistry.Settings?) async throws {
                    registry.kill()
                    if let settings { try await registry.start(settings) }
                    let refused = try await platform.deploy("hello", source(words))
                    #expect(refused.status == 502, "\(refused.text)")
                    #expect(refused.text.contains(words), "\(refused.text)")
                    #expect(refused.text.contains(registry.authority), "\(refused.text)")
                    #expect(try await platform.get("/fn/hello").text == "two")
                }
                try await refusal("It is read-only", .init(isReadOnly: true))
                try await refusal("No credentials are configured", .init(access: .password))
                try await refusal("If it speaks TLS, leave out --registry-plain-http", .init(hasTLS: true))
                try await refusal("Is it running", nil)

                // What does not delete is said to, and nothing is lost.
                try await registry.restart(.init(deletes: false))
                let kept = try registry.tags("acme/functions/hello")
                try await eventually("revision 1 is garbage", within: .seconds(60)) {
                    let report = try await platform.call(.post, Self.everything)
                    return report.status == 200 && report.text.contains("The registry does not delete images")
                }
                #expect(try registry.tags("acme/functions/hello") == kept)
                try await platform.mustDeploy("hello", source("three"))
            }
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a registry that is killed while images are pushed has nothing that is not whole`() async throws {
        try await withPrivateRegistry { registry in
            try await registry.start(.init())
            try await withPlatform(registry) { platform in
                try await platform.mustDeploy("hello", source("one"))
                for round in 0..<6 {
                    // Some megabytes that do not compress well.
                    let text = (0..<80_000).map { _ in String(UInt64.random(in: 0 ... .max), radix: 36) }.joined()
                    async let pushed = platform.deploy(
                        "big", "const text = '\(text)'; export default () => new Response(`${text.length}`);",
                        "&check=false")
                    try await Task.sleep(for: .milliseconds(60 + 40 * round))
                    registry.kill()
                    let answer = try await pushed
                    #expect([201, 502].contains(answer.status), "\(answer.text)")
                    try await registry.start(.init())
                    for name in ["hello", "big"] {
                        for tag in (try? registry.tags("acme/functions/\(name)")) ?? [] {
                            try registry.skopeo([
                                "copy", "docker://\(registry.authority)/acme/functions/\(name):\(tag)",
                                "dir:\(registry.directory)/copy-\(round)-\(name)-\(tag)",
                            ])
                        }
                    }
                    #expect(try await platform.get("/fn/hello").text == "one")
                }
                try await platform.mustDeploy("big", source("small"))
                #expect(try await platform.get("/fn/big").text == "small")
            }
        }
    }

    @Test(.timeLimit(.minutes(4)))
    func `a full disk of the registry is told, and room is enough to go on`() async throws {
        try await withPrivateRegistry { registry in
            let data = registry.directory + "/data"
            let mounted = try run("mount", ["-t", "tmpfs", "-o", "size=160m", "kiln-test", data])
            try #require(mounted.code == 0, "\(mounted.output)")
            defer { _ = try? run("umount", ["-l", data]) }
            try await registry.start(.init())
            try await withPlatform(registry) { platform in
                try await platform.mustDeploy("hello", source("one"))
                _ = try run("sh", ["-c", "cat /dev/zero > '\(data)/filler' 2>/dev/null; true"])
                let refused = try await platform.deploy("hello", source("two"))
                #expect(refused.status == 502 && refused.text.contains("Its disk is full"), "\(refused.text)")
                try FileManager.default.removeItem(atPath: data + "/filler")
                try await platform.mustDeploy("hello", source("two"))
                #expect(try await platform.get("/fn/hello").text == "two")
            }
        }
    }

    @Test(.timeLimit(.minutes(2)))
    func `a Builder that cannot reach its registry says why, in its log and to whoever deploys`() async throws {
        try await withPrivateRegistry { registry in
            try await registry.start(.init(access: .password, hasTLS: true))
            let own = ["--registry", registry.authority]
            let cases = [
                (own, "If it speaks TLS, leave out --registry-plain-http"),
                (own + ["--registry-ca", "/etc/ssl/certs/ca-certificates.crt"], "--registry-ca FILE"),
                (own + ["--registry-ca", registry.certificates], "--registry-credentials FILE"),
                (
                    own + ["--registry-ca", registry.certificates, "--registry-credentials", registry.credentials],
                    "\(registry.credentials) has no credentials for"
                ),
                // Anywhere else TLS is what is spoken unless it is said otherwise.
                (["--registry", "registry.invalid/acme"], "HEAD https://registry.invalid/v2/acme/base/manifests/"),
                (
                    ["--registry", "registry.invalid", "--registry-plain-http"],
                    "HEAD http://registry.invalid/v2/kiln/base/manifests/"
                ),
            ]
            let client = try HTTPClient()
            let token = String(repeating: "0123456789abcdef", count: 3)
            let path = registry.directory + "/token"
            try Data(token.utf8).write(to: URL(filePath: path))
            chmod(path, 0o600)
            for (index, (arguments, words)) in cases.enumerated() {
                let port = try freePort()
                let builder = try RoleProcess(
                    "builder-\(index)",
                    [
                        "builder", "--deno", Platform.deno, "--role-listen",
                        "127.0.0.1:\(port)", "--deployer", "127.0.0.1:1", "--internal-token-file", path,
                    ] + arguments, in: registry.directory)
                defer { builder.kill() }
                try await eventually("it says '\(words)'", within: .seconds(25)) {
                    let answer = try await client.collect(
                        ClientRequest(
                            .post, "http://127.0.0.1:\(port)/func?name=hello",
                            headers: ["Authorization": "Bearer \(token)"], body: .text("1")))
                    let answered = String(decoding: answer.body, as: UTF8.self)
                    return builder.log.contains(words) && answer.status == 503 && answered.contains(words)
                }
            }
        }
    }

    @Test(
        arguments: [
            (["--registry", "https://r.test/acme"], "write host[:port][/path] without https://"),
            (["--registry", "r.test/Acme"], "a path of lower-case words"),
            (["--registry", "r.test", "--registry-ca", "/nowhere/ca.crt"], "--registry-ca: the file /nowhere/ca.crt"),
            (["--registry", "r.test", "--registry-ca", "/etc/hostname"], "/etc/hostname has no certificate in PEM"),
            (["--registry", "r.test", "--registry-trusted-host", "store.test:9000"], "without a port"),
        ] as [([String], String)])
    func `what makes no sense ends the start with a sentence`(arguments: [String], words: String) throws {
        let state = "/tmp/kiln-e2e-\(String(UInt32.random(in: 0 ... .max), radix: 16))"
        defer { try? FileManager.default.removeItem(atPath: state) }
        for role in ["builder", "deployer", "up"] {
            let own = ["--state-dir", state] + (role == "deployer" ? [] : ["--deno", Platform.deno])
            let result = try run(Platform.program, [role] + own + arguments)
            #expect(result.code != 0 && result.output.contains(words), "\(role): \(result.output)")
        }
    }

    @Test func `a state directory's functions stay with the registry that has their images`() async throws {
        try await withPrivateRegistry { registry in
            try await registry.start(.init())
            try await withState { state, port, registryPort in
                let place = ["--registry", registry.authority]
                var platform = try await Platform(
                    state: state, port: port, registryPort: registryPort, arguments: place)
                try await platform.mustDeploy("hello", source("one"))
                await platform.stop()
                let error = await #expect(throws: PlatformFailure.self) {
                    _ = try await Platform(state: state, port: port, registryPort: registryPort)
                }
                #expect(error?.description.contains("are in \(registry.authority), not in its own registry") == true)

                // A backup has the images, from wherever they are; another platform takes them into its own registry.
                let file = registry.directory + "/backup.kiln"
                let written = try run(Platform.program, ["backup", file, "--state-dir", state])
                #expect(written.code == 0, "\(written.output)")
                platform = try await Platform(state: state, port: port, registryPort: registryPort, arguments: place)
                #expect(try await platform.get("/fn/hello").text == "one")
                await platform.stop()
                try await withState { other, port, registryPort in
                    let restored = try run(Platform.program, ["restore", file, "--state-dir", other])
                    #expect(restored.code == 0, "\(restored.output)")
                    registry.kill()
                    let moved = try await Platform(state: other, port: port, registryPort: registryPort)
                    #expect(try await moved.get("/fn/hello").text == "one")
                    await moved.stop()
                }
            }
        }
    }
}

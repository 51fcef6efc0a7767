import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Testing
import Transfer

/// Functions with imports from elsewhere, deployed with the real checker and real registries on the loopback device.
@Suite(.serialized) struct DependencyTests {
    /// Settings for fixtures at these addresses.
    static func settings(npm: String? = nil, jsr: String? = nil) throws -> DependencySettings {
        var settings = DependencySettings()
        settings.npmRegistry = try npm ?? "http://127.0.0.1:\(freePort())/"
        settings.jsrURL = try jsr ?? "http://127.0.0.1:\(freePort())/"
        settings.policy = DialPolicy(allowed: [HostRule(host: "127.0.0.1", port: nil)])
        return settings
    }

    static let express = """
        import express from "npm:express@4";
        const app = express();
        app.get("/", (_: unknown, answer: { json(value: unknown): void }) => answer.json({ ok: true }));
        app.listen(8000);
        """

    @Test func `Express is baked with all it needs and serves offline`() async throws {
        try await withNPMRegistry(debian: ["express"]) { url in
            try await withBuilder(imports: try Self.settings(npm: url)) { builder in
                let answer = try await builder.post("name=web", Self.express)
                #expect(answer.status == 201, "\(answer.text)")
                let image = try await builder.latest()
                // Deno, Kiln's scripts, what was resolved, what Deno made of it, the code.
                #expect(image.manifest.layers.count == 5)
                #expect(image.manifest.annotations?["dev.kiln.handler"] == "node")
                #expect(image.manifest.annotations?["dev.kiln.lock"]?.contains("\"npm:express@4\":\"4.18.2\"") == true)
                #expect(image.manifest.annotations?["dev.kiln.lock"]?.contains("127.0.0.1") == false)
                #expect(
                    image.manifest.annotations?["org.opencontainers.image.base.digest"]
                        == builder.deployer.base?.digest.description)
                try await builder.serving(image) { server in
                    let answer = try await server.call("/")
                    #expect(answer.text == #"{"ok":true}"#)
                }
            }
        }
    }

    @Test func `modules from JSR and the web, JSON and redirects among them, are baked and serve offline`() async throws
    {
        let files = [
            "a.ts": "import { b } from './lib/b.js?x=1'; import data from './d.json' with { type: 'json' };\n"
                + "export const a: number = b + data.two;",
            "lib/b.js": "export const b = 1;", "d.json": #"{"two":2}"#,
            "@kiln/sums/1.2.0/mod.ts": "export * from './sum.ts';",
            "@kiln/sums/1.2.0/sum.ts": "export const sum = (a: number, b: number): number => a + b;",
            "@kiln/sums/1.1.0/mod.ts": "export const sum = () => 0;",
        ]
        try await withModuleServer(files) { url in
            try await withBuilder(imports: try Self.settings(jsr: url)) { builder in
                let source = """
                    import { a } from "\(url)to/a.ts";
                    import { sum } from "jsr:@kiln/sums@1";
                    export default () => new Response(String(sum(a, 10)));
                    """
                let answer = try await builder.post("name=sums", source)
                #expect(answer.status == 201, "\(answer.text)")
                let image = try await builder.latest()
                try await builder.serving(image) { server in
                    let answer = try await server.call("/")
                    #expect(answer.text == "13")
                }
            }
        }
    }

    @Test func `a server that ends its connections without a word loses no module`() async throws {
        // It was asked to (RFC 9112, 9.6). Who then takes the connection for open sends the next request into nothing, now and then.
        // At a redirect the next one comes at once.
        let files = (0..<6).map { ("\($0).ts", "export default \($0);") }
        try await withModuleServer(Dictionary(uniqueKeysWithValues: files)) { url in
            try await withBuilder(imports: try Self.settings(jsr: url)) { builder in
                let imports = files.indices.map { "import m\($0) from '\(url)to/to/to/to/\($0).ts';" }.joined(
                    separator: "\n")
                let source = "\(imports)\nexport default () => new Response(String(m1 + m5));"
                let answer = try await builder.post("name=redirected&check=false", source)
                #expect(answer.status == 201, "\(answer.text)")
            }
        }
    }

    @Test func `two mirrors, registries and days give the same digests`() async throws {
        var found: Set<Contract.Digest> = []
        // V8 puts numbers into code in the order of compiling, and Deno compiles in the order in which files were read.
        let wide = (0..<40).map { index in ("lib/\(index).js", "import './leaf.js'; export const v\(index) = \(index);")
        }
        let modules = TestPackage(
            "wide", "1.0.0", main: (0..<40).map { "export * from './lib/\($0).js';" }.joined(separator: "\n"),
            manifest: #"{"type":"module"}"#,
            files: Dictionary(uniqueKeysWithValues: wide + [("lib/leaf.js", "export {};")]))
        for extra in [[modules], [modules, TestPackage("unrelated", "1.0.0", main: "")], [modules]] {
            let digest = try await withNPMRegistry(extra, debian: ["express"]) { npm in
                var files = [
                    "@kiln/one/1.0.0/mod.ts": "import './0.ts'; import './1.ts'; export const one: number = 1;"
                ]
                for index in 0..<20 { files["@kiln/one/1.0.0/\(index).ts"] = "export const a: number = \(index);" }
                return try await withModuleServer(files) { jsr in
                    let digests = Log()
                    try await withBuilder(imports: try Self.settings(npm: npm, jsr: jsr)) { builder in
                        let source =
                            "import { one } from 'jsr:@kiln/one';\nimport { v1 } from 'npm:wide';\n\(Self.express)\n"
                            + "console.log(one, v1);"
                        let answer = try await builder.post("name=web", source)
                        #expect(answer.status == 201, "\(answer.text)")
                        digests.add(try await builder.latest().digest.description)
                    }
                    return try Contract.Digest(try #require(digests.lines.first))
                }
            }
            found.insert(digest)
        }
        #expect(found.count == 1)
    }

    @Test func `a change of the code keeps versions and layer and needs no registry; reload chooses anew`() async throws
    {
        try await withRegistry { registry in
            try await withChecker { checker in
                let one = TestPackage("sum", "1.0.0", main: "module.exports = 1;")
                let two = TestPackage("sum", "1.1.0", main: "module.exports = 2;")
                let layers = Log()
                func deploy(_ packages: [TestPackage]?, _ posts: [(String, String)]) async throws {
                    let deploy: @Sendable (String?) async throws -> Void = { url in
                        try await withBuilder(
                            recipe: smallRecipe, limits: BuilderAPI.Limits(), imports: try Self.settings(npm: url),
                            registry: registry, checker: checker
                        ) { builder in
                            for (query, source) in posts {
                                let answer = try await builder.post("name=sums\(query)", source)
                                #expect(answer.status == 201, "\(answer.text)")
                                layers.add(try await builder.latest().manifest.layers[2].digest.hex)
                            }
                        }
                    }
                    guard let packages else { return try await deploy(nil) }
                    try await withNPMRegistry(packages) { try await deploy($0) }
                }
                let source = "import sum from 'npm:sum@1'; export default () => new Response(String(sum))"
                try await deploy([one], [("", source)])
                try await deploy(nil, [("", source + ";"), ("", "/**/" + source)])
                try await deploy([one, two], [("", source + ";;"), ("&reload=true", source), ("", source + ";;;")])
                let found = layers.lines
                #expect(Set(found.prefix(4)).count == 1)
                #expect(found[4] == found[5] && found[4] != found[0])
            }
        }
    }

    @Test func `what cannot be resolved is a 422 at its import, all of it at once`() async throws {
        try await withNPMRegistry([TestPackage("here", "1.0.0", main: "")]) { url in
            try await withBuilder(imports: try Self.settings(npm: url)) { builder in
                let source = """
                    import a from "npm:here";
                    import b from "npm:not-here";
                    import c from "npm:here@2";
                    import d from "\(url)nothing.ts";
                    export default () => new Response(String([a, b, c, d]));
                    """
                let problem = try await builder.refusal("name=bad", source, 422)
                #expect(problem.type == "urn:kiln:unresolved-imports")
                #expect(problem.diagnostics?.compactMap(\.line) == [2, 3, 4])
                #expect(problem.diagnostics?.compactMap(\.column) == [15, 15, 15])
                let messages = problem.diagnostics?.map(\.message) ?? []
                #expect(messages.first?.contains("npm package 'not-here' does not exist") == true, "\(messages)")
                #expect(messages.allSatisfy { !$0.contains("/tmp") && !$0.contains("main.js") })
                #expect(builder.deployer.deploys.isEmpty)
            }
        }
    }

    @Test func `a registry that is down is a 502 that says so`() async throws {
        try await withBuilder(imports: try Self.settings()) { builder in
            for source in ["import a from 'npm:a'", "import a from 'jsr:@a/b'"] {
                let problem = try await builder.refusal("name=down", "\(source); export default () => a", 502)
                #expect(problem.type == "urn:kiln:imports-unavailable")
                #expect(problem.retryAfter != nil)
                #expect(problem.detail.contains("does not accept connections"), "\(problem.detail)")
                #expect(problem.diagnostics?.first?.line == 1)
            }
        }
    }

    @Test func `hosts that are not public, not there or not allowed are refused with a sentence`() async throws {
        try await withModuleServer(["a.js": "export default 1"]) { url in
            let port = url.split(separator: ":").last?.dropLast() ?? ""
            var settings = DependencySettings()
            settings.policy = DialPolicy(denied: [HostRule(host: "evil.example", port: nil)])
            try await withBuilder(imports: settings) { builder in
                for (host, part) in [
                    ("127.0.0.1:\(port)", "--allow-import 127.0.0.1:\(port)"), ("localhost:\(port)", "--allow-import"),
                    ("[::ffff:127.0.0.1]:\(port)", "--allow-import"), ("0.0.0.0:\(port)", "--allow-import"),
                    ("169.254.169.254", "--allow-import"), ("no-such-host.invalid", "There is no host named"),
                    ("evil.example", "--deny-import"),
                ] {
                    let source = "import a from 'http://\(host)/a.js'; export default () => a"
                    let problem = try await builder.refusal("name=private", source, 422)
                    #expect(problem.detail.contains(part), "\(host): \(problem.detail)")
                }
            }
        }
    }

    @Test func `imports larger than allowed are refused with the limit`() async throws {
        let large = TestPackage("large", "1.0.0", main: "//" + String(repeating: "x", count: 300_000))
        try await withNPMRegistry([large]) { url in
            var settings = try Self.settings(npm: url)
            settings.bytes = 200_000
            try await withBuilder(imports: settings) { [settings] builder in
                let source = "import a from 'npm:large'; export default () => a"
                let problem = try await builder.refusal("name=large", source, 422)
                #expect(problem.type == "urn:kiln:imports-too-large")
                #expect(problem.detail.contains("\(settings.bytes)"), "\(problem.detail)")
                #expect(problem.detail.contains("--max-dependencies"))
            }
        }
    }

    @Test func `a package that is not what the registry announced is refused`() async throws {
        let forged = #"{"dist":{"integrity":"sha512-\#(String(repeating: "A", count: 86))=="}}"#
        try await withNPMRegistry([TestPackage("bad", "1.0.0", main: "", files: [".packument.json": forged])]) { url in
            try await withBuilder(imports: try Self.settings(npm: url)) { builder in
                let problem = try await builder.refusal(
                    "name=bad", "import a from 'npm:bad'; export default () => a", 502)
                #expect(problem.detail.contains("bad"), "\(problem.detail)")
            }
        }
    }

    @Test func `a registry that never answers costs only the time that is allowed`() async throws {
        try await withSilentServer { port in
            var settings = try Self.settings(npm: "http://127.0.0.1:\(port)/")
            settings.seconds = 1
            try await withBuilder(imports: settings) { builder in
                let source = "import a from 'npm:a'; export default () => a"
                let problem = try await builder.refusal("name=slow", source, 504)
                #expect(problem.type == "urn:kiln:imports-too-slow")
                #expect(problem.detail.contains("1 seconds") && problem.detail.contains("--resolve-timeout"))
                let next = try await builder.post("name=next", "export default () => new Response('fine')")
                #expect(next.status == 201)
            }
        }
    }

    @Test func `a package's scripts never run`() async throws {
        let marker = "/tmp/kiln-test-marker-\(UInt32.random(in: 0 ... .max))"
        let scripts = #"{"scripts":{"preinstall":"touch \#(marker)","postinstall":"touch \#(marker)"}}"#
        let package = TestPackage("scripted", "1.0.0", main: "module.exports = 1", manifest: scripts)
        try await withNPMRegistry([package]) { url in
            try await withBuilder(imports: try Self.settings(npm: url)) { builder in
                let answer = try await builder.post(
                    "name=scripts", "import a from 'npm:scripted'; export default () => a")
                #expect(answer.status == 201, "\(answer.text)")
                #expect(!FileManager.default.fileExists(atPath: marker))
            }
        }
    }
}

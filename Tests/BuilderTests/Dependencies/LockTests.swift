import Builder
import Contract
import FoundationEssentials
import OCI
import Support
import Synchronization
import Testing
import Transfer

/// An image that is live over several Builders.
private final class Live: Sendable {
    let image = Mutex<PinnedImage?>(nil)
}

/// Which versions a function gets: those of its own lock, or those that it has.
@Suite(.serialized) struct LockTests {
    private static func package(_ name: String, _ version: String, needs: String = "{}") -> TestPackage {
        TestPackage(
            name, version, main: "module.exports = '\(name) \(version)';", manifest: #"{"dependencies":\#(needs)}"#)
    }

    private static func source(_ imports: String...) -> String {
        let lines = imports.enumerated().map { "import m\($0) from '\($1)';" }
        return lines.joined(separator: "\n")
            + "\nexport default () => new Response(String([\(imports.indices.map { "m\($0)" }.joined(separator: ", "))]));"
    }

    /// The lock that Deno writes for `source` with the npm registry at `npm`.
    static func lock(_ source: String, npm: String) async throws -> String {
        try await withRoot { root in
            try Data(source.utf8).write(to: URL(filePath: root + "/main.ts"))
            let outcome = try await command(
                Clone.deno, ["cache", "--quiet", "--no-config", "--lock=deno.lock", "--allow-import", "main.ts"],
                in: root, environment: ["DENO_DIR": root + "/deno", "NPM_CONFIG_REGISTRY": npm, "NO_COLOR": "1"])
            #expect(outcome.succeeded, "\(outcome.errors)")
            return try String(contentsOf: URL(filePath: root + "/deno.lock"), encoding: .utf8)
        }
    }

    /// Npm packages locked in the image that was deployed last, as `name@version`.
    private static func locked(_ builder: BuilderFixture) async throws -> [String] {
        let text = try #require(try await builder.latest().manifest.annotations?["dev.kiln.lock"])
        return try DenoLock(text).names().filter { $0.hasPrefix("npm:") }.map { String($0.dropFirst(4)) }.sorted()
    }

    @Test func `what is imported still keeps its version, and only what is new is chosen`() async throws {
        try await withRegistry { registry in
            try await withChecker { checker in
                let live = Live()
                @Sendable func during(
                    _ packages: [TestPackage], _ body: @escaping @Sendable (BuilderFixture) async throws -> Void
                ) async throws {
                    try await withNPMRegistry(packages) { url in
                        // A Builder that has seen nothing yet, as after a loss of all caches, or beside the first.
                        try await withBuilder(
                            recipe: smallRecipe, limits: BuilderAPI.Limits(),
                            imports: try DependencyTests.settings(npm: url), registry: registry, checker: checker
                        ) { builder in
                            builder.deployer.setLive("sums", live.image.withLock { $0 })
                            try await body(builder)
                        }
                    }
                }
                let one = [
                    Self.package("sum", "1.0.0"), Self.package("dep", "1.0.0"),
                    Self.package("uses", "1.0.0", needs: #"{"dep":"^1.0.0"}"#),
                ]
                let two =
                    one + [Self.package("sum", "1.1.0"), Self.package("dep", "1.2.0"), Self.package("new", "2.0.0")]
                try await during(one) { builder in
                    let answer = try await builder.post("name=sums", Self.source("npm:sum@1", "npm:uses"))
                    #expect(answer.status == 201, "\(answer.text)")
                    #expect(try await Self.locked(builder) == ["dep@1.0.0", "sum@1.0.0", "uses@1.0.0"])
                    live.image.withLock { $0 = builder.deployer.deploys.last?.image }
                }
                try await during(two) { builder in
                    func expect(_ query: String, _ imports: String..., are expected: [String]) async throws {
                        let lines = imports.enumerated().map { "import m\($0) from '\($1)';" }.joined(separator: "\n")
                        let answer = try await builder.post(
                            "name=sums\(query)", lines + "\nexport default () => new Response(String(m0))")
                        #expect(answer.status == 201, "\(answer.text)")
                        #expect(try await Self.locked(builder) == expected)
                    }
                    try await expect(
                        "", "npm:sum@1", "npm:uses", "npm:new",
                        are: ["dep@1.0.0", "new@2.0.0", "sum@1.0.0", "uses@1.0.0"])
                    try await expect("", "npm:uses", "npm:new", are: ["dep@1.0.0", "new@2.0.0", "uses@1.0.0"])
                    try await expect(
                        "&update=true", "npm:sum@1", "npm:uses", are: ["dep@1.2.0", "sum@1.1.0", "uses@1.0.0"])
                    // A rollback to the first: what is live then is kept.
                    builder.deployer.setLive("sums", live.image.withLock { $0 })
                    try await expect("", "npm:uses", "npm:sum@1", are: ["dep@1.0.0", "sum@1.0.0", "uses@1.0.0"])
                }
            }
        }
    }

    @Test func `a registry may keep archives where it likes, and versions are still kept`() async throws {
        let packages = ["sum", "@scope/part", "new"].map { name in
            let elsewhere = #"{"dist":{"tarball":"/download/\#(name)/0badcafe"}}"#
            return TestPackage(name, "1.0.0", main: "module.exports = 1;", files: [".packument.json": elsewhere])
        }
        try await withRegistry { registry in
            try await withChecker { checker in
                try await withNPMRegistry(packages) { url in
                    let live = Live()
                    func deploy(_ name: String, _ imports: String...) async throws {
                        let lines = imports.enumerated().map { "import m\($0) from '\($1)';" }
                        let source = (lines + ["export default () => new Response(String(m0.default ?? m0))"]).joined(
                            separator: "\n")
                        // A Builder that has seen nothing yet.
                        try await withBuilder(
                            recipe: smallRecipe, limits: BuilderAPI.Limits(),
                            imports: try DependencyTests.settings(npm: url), registry: registry, checker: checker
                        ) { builder in
                            builder.deployer.setLive(name, live.image.withLock { $0 })
                            let answer = try await builder.post("name=\(name)", source)
                            #expect(answer.status == 201, "\(answer.text)")
                            #expect(try await Self.locked(builder).count == imports.count)
                            let image = try await builder.latest()
                            #expect(image.manifest.annotations?["dev.kiln.lock"]?.contains("/download/sum/") == true)
                            try await builder.serving(image) { server in
                                let text = try await server.call("/").text
                                #expect(text == "1")
                            }
                            live.image.withLock { $0 = builder.deployer.deploys.last?.image }
                        }
                    }
                    try await deploy("sums", "npm:sum@1", "npm:@scope/part@1")
                    // By the lock alone: nothing is chosen, and nothing is there yet of another function.
                    try await deploy("others", "npm:sum@1", "npm:@scope/part@1")
                    try await deploy("sums", "npm:sum@1", "npm:@scope/part@1", "npm:new")
                }
            }
        }
    }

    @Test func `a deno.lock is what is baked, or says what it does not cover and what is not as it says`() async throws
    {
        let packages = [Self.package("sum", "1.0.0"), Self.package("only-in-tests", "1.0.0")]
        let lock = try await withNPMRegistry(packages) { url in
            try await Self.lock(Self.source("npm:sum@1", "npm:only-in-tests"), npm: url)
        }
        try await withNPMRegistry(packages + [Self.package("sum", "1.1.0"), Self.package("new", "1.0.0")]) { url in
            try await withBuilder(imports: try DependencyTests.settings(npm: url)) { builder in
                func archive(_ source: String, _ lock: String) -> [UInt8] {
                    RawTar.archive([("main.ts", source), ("deno.lock", lock)])
                }
                let answer = try await builder.post("name=own", archive(Self.source("npm:sum@1"), lock))
                #expect(answer.status == 201, "\(answer.text)")
                #expect(!answer.text.contains("deno.lock"), "\(answer.text)")
                #expect(try await Self.locked(builder) == ["sum@1.0.0"])

                let new = try await builder.refusal(
                    "name=own", archive(Self.source("npm:sum@1", "npm:new"), lock), 422)
                #expect(new.type == "urn:kiln:outdated-lock")
                #expect(new.diagnostics?.map(\.line) == [2] && new.detail.contains("npm:new"), "\(new.detail)")
                #expect(new.detail.contains("deno cache --lock") && new.detail.contains("leave out deno.lock"))

                let forged = lock.replacing(/"integrity": "sha512-[^"]{8}/) { _ in "\"integrity\": \"sha512-AAAAAAAA" }
                let wrong = try await builder.refusal("name=own", archive(Self.source("npm:sum@1"), forged), 422)
                #expect(wrong.type == "urn:kiln:lock-mismatch" && wrong.detail.contains("npm:"), "\(wrong.detail)")

                for damaged in ["", "{}", lock.replacing("\"5\"", with: "\"3\"")] {
                    let problem = try await builder.refusal("name=own", archive(Self.source("npm:sum@1"), damaged), 422)
                    #expect(problem.type == "urn:kiln:outdated-lock")
                    #expect(problem.diagnostics?.first?.file == "deno.lock" && problem.detail.contains("deno install"))
                }
            }
        }
    }

    @Test func `a version that is another one now is refused, until versions are chosen anew`() async throws {
        try await withRegistry { registry in
            try await withChecker { checker in
                let live = Live()
                for content in ["1", "2"] {
                    let packages = [
                        TestPackage("sum", "1.0.0", main: "module.exports = \(content);"), Self.package("new", "1.0.0"),
                    ]
                    try await withNPMRegistry(packages) { url in
                        try await withBuilder(
                            recipe: smallRecipe, limits: BuilderAPI.Limits(),
                            imports: try DependencyTests.settings(npm: url), registry: registry, checker: checker
                        ) { builder in
                            guard content == "2" else {
                                #expect(try await builder.post("name=sums", Self.source("npm:sum@1")).status == 201)
                                return live.image.withLock { $0 = builder.deployer.deploys.last?.image }
                            }
                            builder.deployer.setLive("sums", live.image.withLock { $0 })
                            let source = Self.source("npm:new", "npm:sum@1")
                            let problem = try await builder.refusal("name=sums", source, 422)
                            #expect(problem.type == "urn:kiln:lock-mismatch")
                            #expect(problem.diagnostics?.first?.line == 2, "\(problem.detail)")
                            #expect(problem.detail.contains("npm:sum@1.0.0") && problem.detail.contains("update=true"))
                            let updated = try await builder.post("name=sums&update=true", source)
                            #expect(updated.status == 201, "\(updated.text)")
                        }
                    }
                }
            }
        }
    }

    @Test func `modules from JSR and the web are held against a lock too`() async throws {
        let files = [
            "w.ts": "export default 1;", "v.ts": "export default 2;", "@kiln/one/1.0.0/mod.ts": "export default 3;",
        ]
        try await withModuleServer(files) { url in
            try await withBuilder(imports: try DependencyTests.settings(jsr: url)) { builder in
                let source = Self.source("\(url)w.ts", "\(url)to/w.ts", "jsr:@kiln/one@1")
                #expect(try await builder.post("name=web", source).status == 201)
                let lock = try #require(try await builder.latest().manifest.annotations?["dev.kiln.lock"])
                let digest = try #require(builder.deployer.deploys.last).image.digest
                func post(_ source: String, _ lock: String, _ status: Int) async throws -> String {
                    let answer = try await builder.post(
                        "name=own", RawTar.archive([("main.ts", source), ("deno.lock", lock)]))
                    #expect(answer.status == status, "\(answer.text)")
                    return answer.text
                }
                _ = try await post(source, lock, 201)
                let baked = try await builder.latest().manifest.annotations?["dev.kiln.lock"]
                #expect(baked == lock)
                #expect(digest != builder.deployer.deploys.last?.image.digest)
                #expect(try await post(Self.source("\(url)w.ts", "\(url)v.ts"), lock, 422).contains("\(url)v.ts"))
                let web = lock.replacing(/w\.ts":"[0-9a-f]{8}/) { _ in "w.ts\":\"00000000" }
                #expect(try await post(source, web, 422).contains("w.ts is not what the lock says"))
                let jsr = lock.replacing(/"integrity":"[0-9a-f]{8}/) { _ in "\"integrity\":\"00000000" }
                #expect(try await post(source, jsr, 422).contains("jsr:@kiln/one@1.0.0 is not what the lock says"))
            }
        }
    }
}

import Foundation
import Support
import Testing
import Transfer

/// Functions with imports from elsewhere, in containers that cannot reach where they came from.
@Suite(.serialized) struct DependencyTests {
    @Test func `the example on Express answers, keeps answering without its registry, and comes back after a crash`()
        async throws
    {
        try await withState { state, port, registryPort in
            let source = try Platform.example("http")
            @Sendable func started(_ npm: String) async throws -> Platform {
                try await Platform(
                    state: state, port: port, registryPort: registryPort, arguments: ["--npm-registry", npm])
            }
            try await withNPMRegistry(debian: ["express"]) { npm in
                let platform = try await started(npm)
                try await platform.mustDeploy("http", source)
                #expect(try await platform.get("/fn/http").json["books"] as? Int == 2)
                #expect(try await platform.get("/fn/http/book/1").json["title"] as? String == "Frankenstein")
                let made = try await platform.call(
                    .post, "/fn/http/book", headers: ["Content-Type": "application/json"],
                    body: Array(#"{"title":"Emma","author":"Jane Austen"}"#.utf8))
                #expect(made.status == 201, "\(made.text)")
                let third = try await platform.get("/fn/http/book/3")
                #expect(third.json["author"] as? String == "Jane Austen")
                let other = try await platform.get("/fn/http/book/4")
                #expect(other.status == 404 && other.json["error"] != nil)
                await platform.stop()
            }
            let platform = try await started("http://127.0.0.1:\(try freePort())/")
            try await eventually("it answers without its registry", within: .seconds(60)) {
                try await platform.get("/fn/http").json["books"] as? Int == 2
            }
            let changed = try await platform.deploy("http", source + "\n// changed\n")
            #expect(changed.status == 201, "\(changed.text)")
            await platform.stop()
        }
    }

    @Test func `a function's container has the compiled code of all that it loads`() async throws {
        let modules = TestPackage(
            "modules", "1.0.0", main: "export * from './lib/one.js'; export { two } from 'modules/two';",
            manifest: #"{"type":"module","exports":{".":"./index.js","./two":"./lib/two.js"}}"#,
            files: ["lib/one.js": "export const one = 1;", "lib/two.js": "export const two = 2;"])
        try await withNPMRegistry([modules], debian: ["express"]) { npm in
            try await withPlatform(arguments: ["--npm-registry", npm]) { platform in
                let source =
                    "import { one, two } from 'npm:modules';\nconsole.log(one, two);\n\(try Platform.example("http"))"
                try await platform.mustDeploy("http", source)
                #expect(try await platform.get("/fn/http").status == 200)
                let (had, compiled) = try await Self.starting(in: platform)
                for name in ["modules/1.0.0/lib/two.js", "express/4.18.2/lib/router/index.js", "ext:deno_node/zlib.js"]
                {
                    #expect(had.contains { $0.contains(name) }, "\(name)")
                }
                // What stands for a CommonJS module that an ES module imports has its own path inside, and is made at each start.
                let expected = [
                    "file:///kiln/", "file:///app/", "file:///deno/npm/registry.npmjs.org/express/4.18.2/index.js",
                ]
                #expect(compiled.filter { line in !expected.contains { line.contains($0) } } == [])
            }
        }
    }

    @Test func `a large module is compiled once, when it is baked`() async throws {
        try await withPlatform { platform in
            let functions = (0..<2000).map {
                "export function f\($0)(a) { return a.map((b) => b * \($0)).join('\($0)'); }"
            }
            let source = functions.joined(separator: "\n") + "\nexport default () => new Response(f3([1, 2]));"
            let deployed = try await platform.mustDeploy("large", source)
            #expect(try await platform.get("/fn/large").text == "336")
            let (had, compiled) = try await Self.starting(in: platform)
            #expect(had.contains { $0.contains("file:///app/main.js") })
            #expect(compiled.filter { $0.contains("file:///app/") } == [])
            // The same bytes each time.
            let other = try await platform.mustDeploy("other", source)
            #expect(deployed.json["digest"] as? String == other.json["digest"] as? String)
        }
    }

    /// Starts the one function once more beside itself, with Deno saying of what code it had, and what it compiled.
    private static func starting(in platform: Platform) async throws -> (had: [Substring], compiled: [Substring]) {
        let commands = try LimitTests.processes(in: platform.state).map { process in
            let text = try String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)
            return (process, text.split(separator: "\0").map(String.init))
        }
        // The checker has no preloaded or given function.
        let (process, words) = try #require(commands.first { !$0.1.contains("/kiln/checker.js") })
        let index = try #require(words.firstIndex(of: "run"))
        let run = Array(words[...index]) + ["--log-level=debug"] + words[(index + 1)...].filter { $0 != "--quiet" }
        let inside = ["-t", "\(process)", "-m", "-p", "-r", "-S", "65532", "-G", "65532", "/usr/bin/deno"]
        let outcome = try await command(
            "timeout", ["3", "nsenter"] + inside + run.dropFirst(),
            environment: [
                "DENO_DIR": "/deno", "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1",
                "DENO_SERVE_ADDRESS": "tcp:127.0.0.1:\(try freePort())",
            ])
        let lines = (outcome.output + outcome.errors).split(separator: "\n")
        return (
            lines.filter { $0.contains("V8 code cache hit") }, lines.filter { $0.contains("Updating V8 code cache") }
        )
    }

    @Test func `localStorage and caches work, though everything else is read-only`() async throws {
        try await withPlatform { platform in
            let source = """
                export default async () => {
                  localStorage.setItem("a", String(Number(localStorage.getItem("a") ?? 0) + 1));
                  const cache = await caches.open("v1");
                  await cache.put("http://x/", new Response("kept"));
                  const kept = await (await cache.match("http://x/"))!.text();
                  return new Response(`${localStorage.getItem("a")} ${kept}`);
                };
                """
            try await platform.mustDeploy("storage", source)
            let one = try await platform.get("/fn/storage")
            let two = try await platform.get("/fn/storage")
            #expect(one.text == "1 kept" && two.text == "2 kept", "\(one.text) \(two.text)")
        }
    }

    @Test func `the container that resolves has no way to this machine or its network`() async throws {
        try await withModuleServer(["a.js": "export default 1"]) { url in
            try await withPlatform { platform in
                let source = "import a from '\(url)a.js'; export default () => new Response(String(a))"
                let answer = try await platform.deploy("private", source)
                #expect(answer.status == 422 && answer.text.contains("--allow-import"), "\(answer.text)")
            }
        }
    }
}

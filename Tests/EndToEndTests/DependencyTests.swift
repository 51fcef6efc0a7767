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

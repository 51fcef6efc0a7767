import Foundation
import Testing

/// Limits that a function meets as the operating system's own errors: Kiln says which one it was, and what raises it.
@Suite(.serialized) struct LimitHitTests {
    private static let source = """
        const kept: unknown[] = [];
        const startWorkers = () => {
          const code = URL.createObjectURL(new Blob(["setInterval(() => {}, 1000)"]));
          for (let i = 0; i < 200; i++) kept.push(new Worker(code, { type: "module" }));
        };
        export default async (request: Request): Promise<Response> => {
          try {
            switch (new URL(request.url).pathname) {
              case "/files":
                for (;;) kept.push(Deno.listen({ hostname: "127.0.0.1", port: 0 }));
              case "/tmp":
                for (let i = 0;; i++) Deno.writeFileSync(`/tmp/${i}`, new Uint8Array(100_000));
              case "/workers":
                startWorkers();
              case "/careless":
                setTimeout(startWorkers, 1);
                return new Promise(() => {});
              default:
                return new Response("hello");
            }
          } catch (error) {
            return new Response(`${error}`);
          }
        };
        """

    @Test func `files and tmp that run out are told with the flag that raises them`() async throws {
        let flags = ["--max-open-files", "200", "--max-tmp", "1Mi"]
        try await withPlatform(arguments: flags) { platform in
            try await platform.mustDeploy("greedy", Self.source)
            #expect(try await platform.get("/fn/greedy").text == "hello")
            #expect(try await platform.get("/func/greedy").json["warnings"] == nil)

            let room = try await platform.get("/fn/greedy/tmp").text
            #expect(room.contains("os error 28"), "\(room)")
            try await expectWarning(platform, "1 MiB", "--max-tmp")

            let files = try await platform.get("/fn/greedy/files").text
            #expect(files.contains("os error 24"), "\(files)")
            try await expectWarning(platform, "200", "--max-open-files")

            let shown = try run(Platform.program, ["show", "greedy", "--url", platform.url])
            #expect(shown.output.matches(of: /Warning .*--max-/).count == 2, "\(shown.output)")
            let metrics = try await platform.get("/metrics").text
            for limit in ["open-files", "tmp"] {
                #expect(metrics.contains("kiln_limit_hits_total{function=\"greedy\",limit=\"\(limit)\"} "), "\(limit)")
            }
            #expect(try await platform.get("/fn/greedy").text == "hello")
        }
    }

    @Test func `tasks that run out are told with the flag that raises them, and as the end that they are`() async throws
    {
        try await withPlatform(arguments: ["--max-tasks", "100"]) { platform in
            try await platform.mustDeploy("greedy", Self.source, "&memory=1Gi")
            let workers = try await platform.get("/fn/greedy/workers").text
            // Which of Deno's threads is refused is chance: that of a worker is an error, one of its own ends it.
            #expect(workers.contains("os error 11") || workers.contains("upstream-closed"), "\(workers)")
            try await expectWarning(platform, "may have 100", "--max-tasks")
            // One that nobody catches is the end, and it is told what led to it.
            #expect(try await platform.get("/fn/greedy/careless").status == 502)
            try await eventually("it is told how it ended", within: .seconds(10)) {
                try await platform.get("/func/greedy").json["lastFailure"] != nil
            }
            let failure = try await platform.get("/func/greedy").json["lastFailure"] as? String ?? ""
            #expect(failure.contains("refused a process or thread (limit 100, --max-tasks)"), "\(failure)")
            let metrics = try await platform.get("/metrics").text
            #expect(metrics.contains(#"kiln_limit_hits_total{function="greedy",limit="tasks"} "#))
            #expect(try await platform.get("/fn/greedy").text == "hello")
        }
    }

    @Test func `a limit that was met while nobody looked is told, too`() async throws {
        try await withPlatform(arguments: ["--max-open-files", "200"]) { platform in
            try await platform.mustDeploy(
                "brief",
                """
                export default async () => {
                  const files: Deno.Listener[] = [];
                  try { for (;;) files.push(Deno.listen({ hostname: "127.0.0.1", port: 0 })); } catch { /* all are open */ }
                  await new Promise((done) => setTimeout(done, 2500));
                  for (const file of files) file.close();
                  return new Response(String(files.length));
                };
                """)
            let count = Int(try await platform.get("/fn/brief").text) ?? 0
            #expect((150..<200).contains(count), "\(count)")
            // It has closed them; the round that looks at the load has seen them.
            let warnings = try await platform.get("/func/brief").json["warnings"] as? [String] ?? []
            #expect(warnings.count == 1 && warnings[0].contains("once"), "\(warnings)")
        }
    }

    private func expectWarning(_ platform: Platform, _ words: String...) async throws {
        try await eventually("it is warned of \(words)", within: .seconds(10)) {
            let warnings = try await platform.get("/func/greedy").json["warnings"] as? [String] ?? []
            return warnings.contains { warning in words.allSatisfy { warning.contains($0) } }
        }
    }
}

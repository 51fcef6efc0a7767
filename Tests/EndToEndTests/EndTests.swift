import Foundation
import Testing

/// A function that ends while it works on a request: what the caller is told at once, and where the rest is to be had.
@Suite struct EndTests {
    private static let source = """
        export default (request: Request): Response | Promise<Response> => {
          switch (new URL(request.url).pathname) {
            case "/exit":
              console.log("leaving");
              Deno.exit(3);
            case "/hoard":
              console.log("hoarding");
              for (const kept = [];;) kept.push(new Uint8Array(1 << 20).fill(1));
            case "/throw":
              setTimeout(() => { throw new Error("thrown outside"); }, 1);
              return new Promise(() => {});
            default:
              return new Response("hello");
          }
        };
        """

    @Test(arguments: [
        ("exit", "exit code 3", "leaving"), ("hoard", "out of memory (limit 96 MiB)", "hoarding"),
        ("throw", "exit code 1", "thrown outside"),
    ])
    func `the 502 of a function that ended says where the reason is, and there it is`(
        way: String, reason: String, words: String
    ) async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("ender", Self.source, "&memory=96Mi")
            let answer = try await platform.get("/fn/ender/\(way)")
            #expect(answer.status == 502 && answer.json["type"] as? String == "urn:kiln:upstream-closed")
            let detail = answer.json["detail"] as? String ?? ""
            #expect(detail.contains("GET /func/ender ") && detail.contains("lastFailure"), "\(detail)")
            #expect(detail.contains("'kiln logs ender --previous'"), "\(detail)")
            // What it names, a moment later at most.
            try await eventually("the reason is there", within: .seconds(5)) {
                try await platform.get("/func/ender").json["lastFailure"] as? String == reason
            }
            let logs = try run(
                Platform.program, ["logs", "ender", "--previous", "--url", platform.url])
            #expect(logs.code == 0 && logs.output.contains(words), "\(logs.output)")
            #expect(try await platform.get("/fn/ender").text == "hello")
        }
    }
}

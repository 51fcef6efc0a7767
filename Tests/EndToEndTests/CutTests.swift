import Foundation
import Testing

/// What stands still too long is ended by the Router, as clients of real functions see it.
@Suite(.serialized) struct CutTests {
    private static let source = """
        export default async (request: Request) => {
          switch (new URL(request.url).pathname) {
            case "/stall":
              return new Response(new ReadableStream({
                start(controller) { controller.enqueue(new TextEncoder().encode("begun")); },
              }));
            case "/socket": {
              const { socket, response } = Deno.upgradeWebSocket(request);
              socket.onmessage = (event) => socket.send(event.data);
              return response;
            }
            case "/sleep":
              return new Promise<Response>(() => {});
            case "/length":
              return new Response(String((await request.arrayBuffer()).byteLength));
            default:
              return new Response("hello");
          }
        };
        """

    /// Sends `head` over a connection of its own, and returns what comes until it ends, and after how many seconds.
    private func talk(_ platform: Platform, _ head: String) throws -> (text: String, seconds: Double) {
        let begin = Date()
        let port = platform.url.split(separator: ":").last ?? ""
        let script = "exec 3<>/dev/tcp/127.0.0.1/\(port); printf '\(head)' >&3; timeout 20 cat <&3"
        let text = try run("bash", ["-c", script]).output
        return (text, Date().timeIntervalSince(begin))
    }

    private func lines(_ path: String) throws -> [[String: Any]] {
        try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").compactMap {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
    }

    @Test func `bodies, WebSockets and connections that stand still end, each as it can be told`() async throws {
        let log = "/tmp/kiln-e2e-cuts-\(UInt32.random(in: 0 ... .max)).log"
        defer { try? FileManager.default.removeItem(atPath: log) }
        let flags = [
            "--stream-timeout", "1", "--websocket-timeout", "1", "--idle-timeout", "1", "--body-timeout", "1",
            "--access-log", log,
        ]
        try await withPlatform(arguments: flags) { platform in
            try await platform.mustDeploy("f", Self.source)

            // A response: 200 has been sent, so that only the missing end can tell.
            let stalled = try run(
                "curl", ["-sS", "--max-time", "20", "-w", " %{http_code}", "\(platform.url)/fn/f/stall"])
            #expect(stalled.code == 18 && stalled.output.contains("begun 200"), "\(stalled)")

            // A request: nothing has been answered, so that there is a problem.
            let post = "POST /fn/f/length HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 10\\r\\n\\r\\nabc"
            let upload = try talk(platform, post)
            #expect(upload.text.hasPrefix("HTTP/1.1 408 ") && upload.seconds < 10, "\(upload)")
            #expect(upload.text.contains("X-Kiln-Reason: body-timeout"), "\(upload)")
            #expect(upload.text.contains("(--body-timeout)"), "\(upload)")

            // A connection between two calls: nothing is owed, nothing is said.
            let idle = try talk(platform, "GET /fn/f HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
            #expect(idle.text.hasPrefix("HTTP/1.1 200 ") && idle.text.hasSuffix("hello"), "\(idle)")
            #expect((0.9..<10).contains(idle.seconds), "\(idle)")

            // A WebSocket: no Close frame, as when a network fails (RFC 6455 §7.1.5).
            let script = platform.state + "/client.js"
            try """
            const socket = new WebSocket(Deno.args[0]);
            socket.onopen = () => socket.send("x");
            socket.onmessage = (event) => console.log("got " + event.data);
            socket.onclose = (event) => { console.log("closed " + event.code + " " + event.wasClean); Deno.exit(0); };
            setTimeout(() => Deno.exit(1), 15000);
            """.write(toFile: script, atomically: true, encoding: .utf8)
            let url = platform.url.replacing("http://", with: "ws://") + "/fn/f/socket"
            let socket = try run(Platform.deno, ["run", "--quiet", "--no-config", "--allow-net", script, url])
            #expect(socket.code == 0 && socket.output.contains("got x"), "\(socket)")
            #expect(socket.output.contains(/closed \d+ false/), "\(socket)")

            try await eventually("all is logged") {
                try lines(log).filter { $0["function"] as? String == "f" }.count >= 4
            }
            let reasons = try lines(log).reduce(into: [String: String]()) { reasons, line in
                reasons[line["target"] as? String ?? ""] = "\(line["status"] ?? 0) \(line["reason"] ?? "-")"
            }
            #expect(reasons["/fn/f/stall"] == "200 stream-timeout", "\(reasons)")
            #expect(reasons["/fn/f/length"] == "408 body-timeout", "\(reasons)")
            #expect(reasons["/fn/f"] == "200 -", "\(reasons)")
            #expect(reasons["/fn/f/socket"] == "101 websocket-timeout", "\(reasons)")
            let metrics = try await platform.get("/metrics").text
            for line in [
                #"kiln_router_broken_responses_total{reason="stream-timeout"} 1"#,
                #"kiln_router_broken_responses_total{reason="websocket-timeout"} 1"#,
                #"kiln_router_answers_total{reason="body-timeout"} 1"#,
            ] { #expect(metrics.contains(line), "\(line)") }
            // Nothing of this was the function's fault, and it serves on.
            #expect(try await platform.get("/func/f").json["restarts"] as? Int == 0)
        }
    }

    @Test func `what an old revision still works on when its time is over is cut, with a reason`() async throws {
        try await withPlatform(arguments: ["--drain", "1"]) { platform in
            try await platform.mustDeploy("f", Self.source)
            async let slow = platform.get("/fn/f/sleep")
            try await eventually("it is under way") {
                try await platform.get("/metrics").text.contains(#"kiln_requests_in_flight{function="f"} 1"#)
            }
            try await platform.mustDeploy("f", Self.source + "// changed")
            let answer = try await slow
            #expect(answer.status == 502 && answer.text.contains("upstream-closed"), "\(answer.text)")
            #expect(try await platform.get("/fn/f").text == "hello")
        }
    }
}

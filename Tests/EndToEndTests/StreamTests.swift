import Foundation
import Testing
import Transfer

/// Bodies pass through piece by piece, both ways, whatever their size.
@Suite(.serialized) struct StreamTests {
    @Test func `a gibibyte goes up and comes down in flat memory`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy(
                "bulk",
                """
                export default async (request) => {
                    if (request.method === "POST") {
                        let size = 0;
                        for await (const piece of request.body) size += piece.length;
                        return new Response(String(size));
                    }
                    let rest = 1024;
                    const piece = new Uint8Array(1 << 20);
                    return new Response(new ReadableStream({
                        pull(controller) { if (rest-- > 0) controller.enqueue(piece); else controller.close(); },
                    }));
                };
                """, "&timeout=300")
            let router = try #require(platform.child("router"))
            let before = try residentPeak(router)
            let up = try run(
                "sh",
                [
                    "-c",
                    "head -c 1073741824 /dev/zero | curl -sf --max-time 200 -X POST -T - '\(platform.url)/fn/bulk'",
                ])
            #expect(up.output == "1073741824", "\(up.output)")
            let down = try run("sh", ["-c", "curl -sf --max-time 200 '\(platform.url)/fn/bulk' | wc -c"])
            #expect(down.output.trimmingCharacters(in: .whitespacesAndNewlines) == "1073741824")
            let grown = try residentPeak(router) - before
            #expect(grown < 64 << 10, "the Router grew by \(grown) KiB")
            #expect(try await platform.get("/func/bulk").json["restarts"] as? Int == 0)
        }
    }

    @Test func `server-sent events arrive when they are sent, not when the response ends`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy(
                "events",
                """
                export default () => {
                    const text = new TextEncoder();
                    return new Response(new ReadableStream({
                        async start(controller) {
                            for (let number = 0; number < 3; number++) {
                                controller.enqueue(text.encode(`data: ${Date.now()}\\n\\n`));
                                await new Promise((done) => setTimeout(done, 400));
                            }
                            controller.close();
                        },
                    }), { headers: { "content-type": "text/event-stream" } });
                };
                """)
            let response = try await platform.client.execute(ClientRequest(.get, platform.url + "/fn/events"))
            var delays: [Double] = []
            for try await chunk in response.body {
                let now = Date().timeIntervalSince1970 * 1000
                let text = String(decoding: chunk, as: UTF8.self)
                if let sent = Double(text.dropFirst(6).prefix { $0.isNumber }) { delays.append(now - sent) }
            }
            #expect(delays.count == 3)
            #expect(delays.allSatisfy { $0 < 250 }, "\(delays)")
        }
    }

    @Test func `a WebSocket client that no one here wrote talks to the echo example`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("echo", Platform.example("websocket"))
            let script = platform.state + "/client.js"
            try """
            const socket = new WebSocket(Deno.args[0]);
            const large = "x".repeat(300000);
            const seen = [];
            socket.onopen = () => { socket.send("first"); socket.send(large); };
            socket.onmessage = (event) => {
                seen.push(event.data.length);
                if (event.data.includes("xxx")) { console.log(JSON.stringify(seen)); socket.close(); }
            };
            socket.onclose = () => Deno.exit(0);
            setTimeout(() => Deno.exit(1), 10000);
            """.write(toFile: script, atomically: true, encoding: .utf8)
            let url = platform.url.replacing("http://", with: "ws://") + "/fn/echo"
            let result = try run(Platform.deno, ["run", "--quiet", "--no-config", "--allow-net", script, url])
            #expect(result.code == 0 && result.output.contains("300000"), "\(result.output)")
        }
    }

    @Test func `HEAD, 100-continue and an early answer to a large upload behave`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy(
                "edge",
                """
                export default (request) => request.method === "POST"
                    ? new Response("enough", { status: 403 }) : new Response("body", { headers: { "x-seen": request.method } });
                """)
            let head = try run("curl", ["-sI", "--max-time", "10", "\(platform.url)/fn/edge"])
            #expect(
                head.output.contains("200 OK") && head.output.lowercased().contains("x-seen: head"), "\(head.output)")
            let early = try run(
                "sh",
                [
                    "-c",
                    "head -c 200000000 /dev/zero | curl -s --max-time 30 -H 'Expect: 100-continue' -T - -X POST -w ' %{http_code}' '\(platform.url)/fn/edge'",
                ])
            #expect(early.output.contains("403"), "\(early.output)")
        }
    }

    /// The most memory that a process has had resident, in KiB.
    private func residentPeak(_ pid: Int32) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
        let line = text.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
        return try #require(line.split(separator: " ").compactMap { Int($0) }.first)
    }
}

import Foundation
import Testing
import Transfer

/// Instances come and go with the load, and no request notices.
@Suite(.serialized) struct ScalingTests {
    @Test func `load brings instances up to max, and its end takes them back to min, without a failed request`()
        async throws
    {
        try await withPlatform(arguments: ["--scale-down-after", "2s"]) { platform in
            // Each instance takes two requests at a time; eight clients are too much for fewer than three.
            try await platform.mustDeploy(
                "busy",
                "export default async () => { await new Promise((r) => setTimeout(r, 100)); return new Response('ok'); };",
                "&min=1&max=3&concurrency=2")
            let load = Load(platform, "/fn/busy", clients: 8)
            try await eventually("there are three", within: .seconds(60)) {
                try await platform.get("/func/busy").json["ready"] as? Int == 3
            }
            let shown = try await platform.get("/func/busy").json
            #expect(shown["min"] as? Int == 1 && shown["max"] as? Int == 3)
            #expect(((shown["load"] as? [String: Any])?["inFlight"] as? Double ?? 0) > 0)
            // Less load, but some: instances are taken away while requests go on.
            let rest = Load(platform, "/fn/busy", clients: 1)
            let first = await load.stop()
            #expect(first.failures.isEmpty, "\(first.failures.prefix(5)) of \(first.answered)")
            try await eventually("there is one", within: .seconds(60)) {
                let shown = try await platform.get("/func/busy").json
                return shown["ready"] as? Int == 1 && shown["desired"] as? Int == 1
            }
            let second = await rest.stop()
            #expect(second.failures.isEmpty, "\(second.failures.prefix(5)) of \(second.answered)")
            #expect(try await platform.get("/func/busy").json["restarts"] as? Int == 0)
        }
    }

    @Test func `a function that nobody calls is parked, and the next call wakes it, also after the roles were killed`()
        async throws
    {
        try await withPlatform { platform in
            try await platform.mustDeploy("sleepy", source("awake"), "&idle=1s")
            try await platform.mustDeploy("always", source("on"))
            for round in 0..<3 {
                try await parked(platform, "sleepy")
                let shown = try EndToEndTests.run(Platform.program, ["show", "sleepy", "--url", platform.url]).output
                #expect(shown.contains("parked until the next request"), "\(shown)")
                if round > 0 {
                    let role = round == 1 ? "deployer" : "router"
                    let pid = try #require(platform.child(role))
                    kill(pid, SIGKILL)
                    try await eventually("\(role) is started again", within: .seconds(60)) {
                        platform.child(role) != pid
                    }
                    try await eventually("it is ready", within: .seconds(60)) {
                        try await platform.get("/func/always").json["ready"] as? Int == 1
                    }
                    #expect(try await platform.get("/func/sleepy").json["parked"] as? Bool == true)
                }
                let answer = try await platform.call(.post, "/fn/sleepy", body: [1])
                #expect(answer.status == 200 && answer.text == "awake", "\(answer.status) \(answer.text)")
            }
            #expect(try await platform.get("/func/always").json["parked"] as? Bool == false)
            #expect(try await platform.get("/fn/always").text == "on")
        }
    }

    @Test func `many functions that wake at once all answer`() async throws {
        try await withPlatform(arguments: ["--idle", "1s"]) { platform in
            let names = (0..<(isLong ? 40 : 8)).map { "f\($0)" }
            for name in names { try await platform.mustDeploy(name, source(name)) }
            for name in names { try await parked(platform, name) }
            try await withThrowingTaskGroup(of: (String, Answer).self) { group in
                for name in names + names { group.addTask { (name, try await platform.get("/fn/\(name)")) } }
                for try await (name, answer) in group {
                    #expect(answer.status == 200 && answer.text == name, "\(answer.status) \(answer.text)")
                }
            }
        }
    }

    @Test func `an open stream keeps a function from being parked`() async throws {
        try await withPlatform { platform in
            let stream = """
                export default () => new Response(new ReadableStream({
                  async start(controller) {
                    for (let count = 0; count < 10; count++) {
                      controller.enqueue(new TextEncoder().encode(`${count}\\n`));
                      await new Promise((r) => setTimeout(r, 600));
                    }
                    controller.close();
                  },
                }));
                """
            try await platform.mustDeploy("stream", stream, "&idle=1s")
            let answer = try await platform.get("/fn/stream")
            #expect(answer.status == 200 && answer.text == (0..<10).map { "\($0)\n" }.joined())
            #expect(!platform.log.contains("parking"))
            try await parked(platform, "stream")
        }
    }

    @Test func `a WebSocket and a long request keep a function from being parked`() async throws {
        try await withPlatform { platform in
            let code = """
                export default (request: Request) => {
                  if (request.headers.get("upgrade") === "websocket") {
                    const { socket, response } = Deno.upgradeWebSocket(request);
                    socket.onmessage = (event) => socket.send(event.data);
                    return response;
                  }
                  return new Promise<Response>((r) => setTimeout(() => r(new Response("late")), 6000));
                };
                """
            try await platform.mustDeploy("f", code, "&idle=1s")
            let slow = try await platform.get("/fn/f")
            #expect(slow.text == "late")
            #expect(!platform.log.contains("parking"))
            let probe = try EndToEndTests.run(
                "python3", ["-c", Self.socket, platform.url.replacing("http://127.0.0.1:", with: ""), "6"])
            #expect(probe.code == 0 && probe.output == "101 hello\n", "\(probe.output)")
            #expect(!platform.log.contains("parking"))
            try await parked(platform, "f")
        }
    }

    /// Opens a WebSocket at a port, is silent for some seconds, and then says hello.
    private static let socket = """
        import socket, sys, time
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 60)
        s.sendall(b"GET /fn/f HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: Upgrade\\r\\nUpgrade: websocket\\r\\n"
                  b"Sec-WebSocket-Version: 13\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n")
        head = b""
        while b"\\r\\n\\r\\n" not in head:
            head += s.recv(4096)
        time.sleep(int(sys.argv[2]))
        s.sendall(b"\\x81\\x85\\0\\0\\0\\0hello")
        answer = b""
        while len(answer) < 7:
            answer += s.recv(4096)
        print(head.split()[1].decode(), answer[2:].decode())
        """

    @Test func `restarts and the last failure are known after parking and waking, which metrics count`() async throws {
        try await withPlatform { platform in
            let code = """
                export default (request: Request) => {
                  if (request.url.endsWith("/end")) Deno.exit(7);
                  return new Response("ok");
                };
                """
            try await platform.mustDeploy("f", code, "&idle=3s")
            _ = try await platform.get("/fn/f/end")
            try await eventually("it is started again", within: .seconds(60)) {
                try await platform.get("/func/f").json["restarts"] as? Int == 1
            }
            for _ in 0..<2 {
                try await parked(platform, "f")
                #expect(try await platform.get("/func/f").json["restarts"] as? Int == 1)
                #expect(try await platform.get("/fn/f").text == "ok")
                let shown = try await platform.get("/func/f").json
                #expect(shown["restarts"] as? Int == 1 && shown["lastFailure"] as? String == "exit code 7", "\(shown)")
            }
            let metrics = try await platform.get("/metrics").text
            #expect(metrics.contains("kiln_parks_total 2\n"))
            #expect(metrics.contains("kiln_wake_duration_seconds_count{result=\"ready\"} 2\n"))
            #expect(metrics.contains("kiln_parked_revisions 0\n"))
            let used = metrics.split(separator: "\n").first { $0.hasPrefix("kiln_memory_bytes ") }
            #expect(used.flatMap { Int($0.split(separator: " ")[1]) } ?? 0 >= 64 << 20)
        }
    }

    @Test func `a function that is slow because it has little CPU is not taken for one that hangs`() async throws {
        try await withPlatform(arguments: ["--liveness", "5s", "--start-deadline", "60"]) { platform in
            let code = """
                export default () => {
                  const end = performance.now() + 14000;
                  while (performance.now() < end);
                  return new Response("ok");
                };
                """
            try await platform.mustDeploy("f", code, "&timeout=120&max=1&cpu=100m")
            #expect(try await platform.get("/fn/f").text == "ok")
            #expect(try await platform.get("/func/f").json["restarts"] as? Int == 0)
        }
    }

    @Test
    func `a parked function can be replaced, gone back to, called by its number, and deleted while it is awaited`()
        async throws
    {
        try await withPlatform(arguments: ["--idle", "1s"]) { platform in
            try await platform.mustDeploy("f", source("1"))
            try await parked(platform, "f")
            try await platform.mustDeploy("f", source("2"))
            #expect(try await platform.get("/fn/f").text == "2")
            #expect(try await platform.call(.post, "/func/f/pin?revision=1").status == 204)
            try await eventually("both are parked", within: .seconds(60)) {
                platform.log.components(separatedBy: "parking revision=f@").count >= 4
            }
            try await parked(platform, "f")
            #expect(try await platform.get("/fn/f@1").text == "1")
            #expect(try await platform.get("/func/f").json["parked"] as? Bool == true)
            #expect(try await platform.call(.post, "/func/f/rollback").status == 200)
            #expect(try await platform.get("/fn/f").text == "1")
            try await parked(platform, "f")
            async let held = platform.get("/fn/f")
            #expect(try await platform.call(.delete, "/func/f").status == 204)
            let answer = try await held
            #expect([200, 404].contains(answer.status), "\(answer.status) \(answer.text)")
            #expect(try await platform.get("/fn/f").status == 404)
            try await eventually("nothing is left of it", within: .seconds(60)) {
                try FileManager.default.contentsOfDirectory(atPath: platform.state + "/instances").count <= 1
            }
        }
    }

    @Test func `a parked function that does not start any more says why, and starts when it can again`() async throws {
        try await withPlatform(arguments: ["--idle", "1s"]) { platform in
            _ = try await run(secret: "v", platform)
            try await platform.mustDeploy("f", source("ok"), "&secret=KEY")
            try await parked(platform, "f")
            #expect(
                try EndToEndTests.run(Platform.program, ["secret", "rm", "KEY", "--state-dir", platform.state]).code
                    == 0)
            let answer = try await platform.get("/fn/f")
            #expect(answer.status == 502 && answer.text.contains("There is no secret KEY"), "\(answer.text)")
            _ = try await run(secret: "v", platform)
            try await eventually("it starts again", within: .seconds(60)) {
                try await platform.get("/fn/f").status == 200
            }
        }
    }

    @Test func `a full machine refuses a deploy with numbers, and parks what nobody calls to wake something else`()
        async throws
    {
        try await withPlatform(arguments: ["--memory-budget", "400Mi"]) { platform in
            // An idle instance counts 64 MiB: the fourth would be the one too many.
            for name in ["a", "b", "c"] { try await platform.mustDeploy(name, source(name)) }
            let full = try await platform.deploy("d", source("d"))
            #expect(full.status == 503 && full.headers["Retry-After"] != nil, "\(full.status) \(full.text)")
            #expect(full.text.contains("192 of the 400 MiB") && full.text.contains("--memory-budget"), "\(full.text)")
            for name in ["a", "b", "c"] { #expect(try await platform.get("/fn/\(name)").text == name) }
            // A new revision needs room beside the old one, which goes on serving when there is none.
            #expect(try await platform.deploy("a", source("a2")).status == 503)
            #expect(try await platform.get("/fn/a").text == "a")
            // A smaller one fits.
            try await platform.mustDeploy("d", source("d"), "&memory=208Mi&idle=1h")
            #expect(try await platform.deploy("e", source("e"), "&memory=208Mi").status == 503)
            // After some seconds without a request the one that may be parked makes room.
            try await eventually("there is room", within: .seconds(60)) {
                try await platform.deploy("e", source("e"), "&memory=208Mi").status == 201
            }
            #expect(try await platform.get("/func/d").json["parked"] as? Bool == true)
            // Waking finds no room, and nothing that may be parked: it waits as long as requests are held.
            let late = try await platform.get("/fn/d")
            #expect(late.status == 503 && late.headers["X-Kiln-Reason"] == "no-room", "\(late.text)")
            #expect(late.headers["Retry-After"] != nil && late.text.contains("of the 400 MiB"))
            async let waiting = platform.get("/fn/d")
            try await Task.sleep(for: .seconds(1))
            #expect(try await platform.call(.delete, "/func/e").status == 204)
            #expect(try await waiting.text == "d")
            for name in ["a", "b", "c"] { #expect(try await platform.get("/fn/\(name)").text == name) }
        }
    }

    @Test func `a full machine does not scale up, and says so`() async throws {
        try await withPlatform(arguments: ["--memory-budget", "400Mi"]) { platform in
            try await platform.mustDeploy(
                "busy",
                "export default async () => { await new Promise((r) => setTimeout(r, 50)); return new Response('ok'); };",
                "&max=8&concurrency=1")
            let load = Load(platform, "/fn/busy", clients: 6)
            try await eventually("it is limited", within: .seconds(60)) {
                let shown = try await platform.get("/func/busy").json
                return (shown["limited"] as? String)?.contains("no room") == true && shown["ready"] as? Int == 3
            }
            let told = try EndToEndTests.run(Platform.program, ["show", "busy", "--url", platform.url]).output
            #expect(told.contains(/Limited .*--memory-budget/) && told.contains(/Load +\d/), "\(told)")
            let result = await load.stop()
            #expect(result.failures.isEmpty, "\(result.failures.prefix(5)) of \(result.answered)")
            #expect(try await platform.get("/func/busy").json["restarts"] as? Int == 0)
        }
    }

    @Test func `a function that hangs is killed and answers again, one that blocks for a while is left alone`()
        async throws
    {
        try await withPlatform(arguments: ["--liveness", "5s"]) { platform in
            let code = """
                export default (request) => {
                  const seconds = Number(new URL(request.url).searchParams.get("s") ?? 0);
                  const end = performance.now() + seconds * 1000;
                  while (performance.now() < end);
                  return new Response("ok");
                };
                """
            // One instance: another, started because this one is busy, would answer while it is killed.
            try await platform.mustDeploy("f", code, "&timeout=120&max=1")
            #expect(try await platform.get("/fn/f?s=2").text == "ok")
            #expect(try await platform.get("/func/f").json["restarts"] as? Int == 0)
            let lost = try await platform.get("/fn/f?s=3600")
            #expect(lost.status == 502, "\(lost.status) \(lost.text)")
            try await eventually("it is started again", within: .seconds(60)) {
                try await platform.get("/fn/f").text == "ok"
            }
            let shown = try await platform.get("/func/f").json
            #expect(shown["restarts"] as? Int == 1)
            #expect(shown["lastFailure"] as? String == "did not answer its liveness probe for 5 s")
        }
    }

    private func run(secret: String, _ platform: Platform) async throws {
        let path = platform.state + "/value"
        try secret.write(toFile: path, atomically: true, encoding: .utf8)
        let command = "\(Platform.program) secret set KEY --state-dir \(platform.state) < \(path)"
        #expect(try EndToEndTests.run("sh", ["-c", command]).code == 0)
    }

    private func source(_ text: String) -> String { "export default () => new Response('\(text)');" }

    private func parked(_ platform: Platform, _ name: String) async throws {
        try await eventually("\(name) is parked", within: .seconds(60)) {
            let shown = try await platform.get("/func/\(name)").json
            return shown["parked"] as? Bool == true && shown["desired"] as? Int == 0
        }
    }
}

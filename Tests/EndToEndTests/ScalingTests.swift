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
                if round > 0 {
                    let role = round == 1 ? "deployer" : "router"
                    let pid = try #require(platform.child(role))
                    kill(pid, SIGKILL)
                    try await eventually("\(role) is started again", within: .seconds(60)) { platform.child(role) != pid }
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

    @Test func `a parked function can be replaced, gone back to, called by its number, and deleted while it is awaited`()
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
            #expect(try EndToEndTests.run(Platform.program, ["secret", "rm", "KEY", "--state-dir", platform.state]).code == 0)
            let answer = try await platform.get("/fn/f")
            #expect(answer.status == 502 && answer.text.contains("There is no secret KEY"), "\(answer.text)")
            _ = try await run(secret: "v", platform)
            try await eventually("it starts again", within: .seconds(60)) {
                try await platform.get("/fn/f").status == 200
            }
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

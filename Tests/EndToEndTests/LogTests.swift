import Foundation
import Testing
import Transfer

/// What functions print, as a user reads it.
@Suite(.serialized) struct LogTests {
    /// A function that prints what it is told to, and ends when it is told to.
    private static func talker(_ revision: String) -> String {
        """
        console.log("start of \(revision)");
        export default async (request) => {
            const url = new URL(request.url);
            const text = url.searchParams.get("say");
            if (text) console.log(text);
            if (url.searchParams.has("err")) console.error(url.searchParams.get("err"));
            if (url.searchParams.has("exit")) setTimeout(() => Deno.exit(3), 20);
            return new Response("ok");
        };
        """
    }

    private func messages(_ platform: Platform, _ options: String) async throws -> [String] {
        let answer = try await platform.call(
            .get, "/func/talker/logs?\(options)", headers: ["Accept": "application/x-ndjson"])
        #expect(answer.status == 200, "\(answer.text)")
        return answer.text.split(separator: "\n").compactMap { line in
            (try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])?["message"] as? String
        }
    }

    @Test func `logs are of all instances and revisions, also of the crashed one, and outlive the platform`()
        async throws
    {
        try await withState { state, port, registryPort in
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            try await platform.mustDeploy("talker", Self.talker("one"))
            // One after the other: of what comes out of two pipes at a time no one knows the order.
            for (query, text) in [("say=first", "first"), ("err=oops", "oops"), ("say=farewell&exit=1", "farewell")] {
                _ = try await platform.get("/fn/talker?" + query)
                try await eventually("\(text) was read", within: .seconds(60)) {
                    try await messages(platform, "tail=100").contains(text)
                }
                try await Task.sleep(for: .milliseconds(20))
            }
            try await eventually("it was started again", within: .seconds(60)) {
                try await messages(platform, "tail=100").filter { $0 == "start of one" }.count == 2
            }
            try await platform.mustDeploy("talker", Self.talker("two"))
            _ = try await platform.get("/fn/talker?say=second")
            try await eventually("all was read", within: .seconds(60)) {
                try await messages(platform, "tail=100") == [
                    "start of one", "first", "oops", "farewell", "start of one", "start of two", "second",
                ]
            }
            #expect(try await messages(platform, "tail=2") == ["start of two", "second"])
            #expect(try await messages(platform, "revision=2") == ["start of two", "second"])
            #expect(try await messages(platform, "stream=stderr") == ["oops"])
            let previous = try await messages(platform, "previous=true")
            #expect(
                previous.starts(with: ["start of one", "first", "oops", "farewell"]) && !previous.contains("second"))
            #expect(try await messages(platform, "since=1h").count == 7)
            for bad in [
                "since=yesterday", "tail=-1", "stream=all", "revision=0", "previous=true&follow=true", "lines=3",
            ] {
                #expect(try await platform.get("/func/talker/logs?\(bad)").status == 400, "\(bad)")
            }
            await platform.stop()
            platform = try await Platform(state: state, port: port, registryPort: registryPort)
            try await eventually("the function runs again", within: .seconds(60)) {
                try await platform.get("/fn/talker?say=third").status == 200
            }
            try await eventually("the last was read", within: .seconds(60)) {
                try await messages(platform, "tail=1") == ["third"]
            }
            let all = try await messages(platform, "tail=100")
            #expect(all.starts(with: ["start of one", "first", "oops", "farewell"]), "\(all)")
            #expect(all.contains("second"))
            await platform.stop()
        }
    }

    @Test func `following goes on over a crash, a deploy and a rollback`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("talker", Self.talker("one"))
            let path = platform.state + "/followed"
            let follower = Process()
            follower.executableURL = URL(filePath: "/usr/bin/curl")
            follower.arguments = ["-sN", "-o", path, platform.url + "/func/talker/logs?follow=true"]
            try follower.run()
            defer { follower.terminate() }
            func expect(_ text: String, times: Int = 1) async throws {
                try await eventually("'\(text)' was followed", within: .seconds(60)) {
                    let seen = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
                    return seen.ranges(of: text).count >= times
                }
            }
            try await expect("start of one")
            _ = try await platform.get("/fn/talker?say=farewell&exit=1")
            try await expect("farewell")
            try await expect("start of one", times: 2)
            try await platform.mustDeploy("talker", Self.talker("two"))
            try await expect("start of two")
            _ = try await platform.get("/fn/talker?say=second")
            try await expect("second")
            #expect(try await platform.call(.post, "/func/talker/rollback").status == 200)
            try await expect("start of one", times: 3)
            _ = try await platform.get("/fn/talker?say=third")
            try await expect("third")
        }
    }

    @Test func `a flood of output costs its own function, and neither the disk nor the others nor who reads it`()
        async throws
    {
        try await withPlatform(arguments: ["--log-bytes", "1Mi"]) { platform in
            try await platform.mustDeploy("talker", Self.talker("one"))
            try await platform.mustDeploy(
                "flood",
                """
                export default () => new Response("ok");
                const bytes = new TextEncoder().encode(("y".repeat(99) + "\\n").repeat(600));
                const pour = () => { const end = performance.now() + 50; while (performance.now() < end) Deno.stdout.writeSync(bytes); setTimeout(pour, 0); };
                pour();
                """)
            // A long line comes in pieces, bytes that are no UTF-8 as what stands for them.
            try await platform.mustDeploy(
                "odd",
                """
                console.log("z".repeat(300000));
                Deno.stderr.writeSync(new Uint8Array([0x62, 0xFF, 0xFE, 0x1B, 10]));
                export default () => new Response("ok");
                """)
            try await eventually("the odd lines are there", within: .seconds(60)) {
                let odd = try await platform.call(
                    .get, "/func/odd/logs", headers: ["Accept": "application/x-ndjson"])
                let lines = odd.text.split(separator: "\n").compactMap {
                    try? JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
                }
                let pieces = lines.filter { $0["stream"] as? String == "stdout" }.compactMap {
                    $0["message"] as? String
                }
                return pieces.reduce(0) { $0 + $1.count } == 300_000 && pieces.allSatisfy { $0.count <= 80 << 10 }
                    && lines.contains { $0["message"] as? String == "b\u{FFFD}\u{FFFD}\u{1B}" }
            }
            let path = platform.state + "/followed"
            let reader = Process()
            reader.executableURL = URL(filePath: "/usr/bin/curl")
            reader.arguments = [
                "-sN", "--limit-rate", "50K", "-o", path, platform.url + "/func/flood/logs?follow=true&tail=5",
            ]
            try reader.run()
            defer { reader.terminate() }
            let deployer = try #require(platform.child("deployer"))
            let cpu = try ticks(deployer)
            let started = ContinuousClock.now
            while started.duration(to: .now) < .seconds(10) {
                #expect(try await platform.get("/fn/talker").status == 200)
                #expect(try size(of: platform.state + "/instances") < 4 << 20)
                try await Task.sleep(for: .milliseconds(200))
            }
            // The Deployer reads at the pace of the slow client, and is woken no more often than that.
            let spent = Double(try ticks(deployer) - cpu) / 100
            #expect(spent < 5, "\(spent) s of CPU in 10 s")
            let monitors = try run(
                "sh", ["-c", "ps -eo pcpu,args | grep '[c]onmon.*\(platform.state)' | sort -rn | head -1"])
            #expect((Double(monitors.output.split(separator: " ").first ?? "") ?? 100) < 30, "\(monitors.output)")
            let lines = try await platform.call(
                .get, "/func/flood/logs?tail=100000", headers: ["Accept": "application/x-ndjson"])
            #expect(lines.bytes.count < 8 << 20 && lines.text.contains(#""stream":"kiln""#))
            try await eventually("the slow reader learns what it has missed", within: .seconds(90)) {
                ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").contains(" kiln About ")
            }
        }
    }

    /// User and system time of a process, in hundredths of a second.
    private func ticks(_ pid: Int32) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        return (Int(fields[12]) ?? 0) + (Int(fields[13]) ?? 0)
    }

    /// Bytes of the logs below `directory`, each file once.
    private func size(of directory: String) throws -> Int {
        let output = try run(
            "sh",
            [
                "-c",
                "find \(directory) -name 'log*' -type f -exec stat -c '%i %s' {} + 2>/dev/null | sort -u | awk '{s+=$2} END {print s+0}'",
            ]
        ).output
        return Int(output.filter(\.isNumber)) ?? .max
    }
}

import Foundation
import Synchronization
import Testing
import Transfer

/// Tells tasks beside a test that it is over.
private final class Done: Sendable {
    private let state = Mutex(false)
    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}

/// Garbage collection on a real platform.
@Suite(.serialized) struct CollectionTests {
    private static let everything = "/gc?keep=0&keep-for=0s"

    private func source(_ text: String) -> String { "export default () => new Response('\(text)');" }

    private func tags(_ platform: Platform, _ name: String) async throws -> [String] {
        let answer = try await platform.client.collect(
            ClientRequest(.get, "http://\(platform.registry)/v2/kiln/\(name)/tags/list"))
        let json = try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]
        return json?["tags"] as? [String] ?? []
    }

    private func bytes(_ report: Answer, _ part: String) -> Int {
        (report.json[part] as? [String: Any])?["bytes"] as? Int ?? -1
    }

    @Test func `what nothing needs leaves the registry and the disk, just as a dry run said`() async throws {
        try await withPlatform { platform in
            for number in 1...5 { try await platform.mustDeploy("hello", source("\(number)")) }
            try await platform.mustDeploy("gone", source("gone"))
            #expect(try await platform.call(.delete, "/func/gone").status == 204)
            #expect(try await platform.call(.post, "/func/hello/pin?revision=1").status == 204)
            // What still has instances is not collected: the old ones have to be gone.
            var dry = try await platform.call(.post, Self.everything + "&dry-run=true")
            try await eventually("two revisions and the deleted function's are garbage", within: .seconds(60)) {
                dry = try await platform.call(.post, Self.everything + "&dry-run=true")
                return (dry.json["revisions"] as? [Any])?.count == 2
                    && (dry.json["images"] as? [String: Any])?["count"] as? Int == 3
            }
            let blobs = try registryBlobs(platform)
            let wet = try await platform.call(.post, Self.everything)
            for part in ["images", "layers", "blobs", "logs"] {
                #expect(bytes(dry, part) == bytes(wet, part), "\(part): \(dry.text) \(wet.text)")
            }
            #expect(bytes(wet, "images") == blobs - (try registryBlobs(platform)), "\(wet.text)")
            #expect(try await tags(platform, "gone").isEmpty)
            #expect(try await tags(platform, "hello").filter { $0.hasPrefix("r") }.sorted() == ["r1", "r4", "r5"])
            #expect(!FileManager.default.fileExists(atPath: platform.state + "/logs/gone"))
            let again = try await platform.call(.post, Self.everything)
            #expect(again.json["bytes"] as? Int == 0, "\(again.text)")

            #expect(try await platform.get("/fn/hello").text == "5")
            #expect(try await platform.get("/fn/hello@1").text == "1")
            #expect(try await platform.call(.post, "/func/hello/rollback?to=2").status == 410)
            #expect(try await platform.call(.post, "/func/hello/rollback").json["revision"] as? Int == 4)
            // The same source as one that was collected is built, pushed and run again.
            #expect(try await platform.mustDeploy("hello", source("2")).json["revision"] as? Int == 6)
            #expect(try await platform.get("/fn/hello").text == "2")
            #expect(try await platform.mustDeploy("gone", source("gone")).json["revision"] as? Int == 2)
        }
    }

    /// The bytes of all blobs in the embedded registry.
    private func registryBlobs(_ platform: Platform) throws -> Int {
        let listing = try run("find", [platform.state + "/registry", "-name", "data", "-printf", "%s\\n"]).output
        return listing.split(whereSeparator: \.isNewline).compactMap { Int($0) }.reduce(0, +)
    }

    @Test func `calls go on and deploys wait while garbage is collected again and again`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("steady", source("steady"))
            let done = Done()
            async let calls = {
                var failures: [String] = []
                while !done.isSet {
                    let answer = try await platform.get("/fn/steady")
                    if answer.text != "steady" { failures.append(answer.text) }
                    try await Task.sleep(for: .milliseconds(5))
                }
                return failures
            }()
            async let deploys = {
                var outcomes: [String] = []
                var number = 0
                while !done.isSet {
                    number += 1
                    let answer = try await platform.deploy("busy", source("\(number)"))
                    let mayRetry = answer.status == 503 && answer.headers["Retry-After"] != nil
                    if answer.status != 201, !mayRetry { outcomes.append(answer.text) }
                }
                return outcomes
            }()
            for _ in 1...8 {
                let report = try await platform.call(.post, Self.everything)
                #expect(report.status == 200, "\(report.text)")
                try await Task.sleep(for: .milliseconds(100))
            }
            done.set()
            #expect(try await calls == [])
            #expect(try await deploys == [])
        }
    }

    @Test func `whatever is killed during a collection, the registry works and every revision has its image`()
        async throws
    {
        try await withState { state, port, registryPort in
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            for round in 1...(isLong ? 60 : 8) {
                for letter in ["a", "b"] { try await deployAgain(platform, "hello", source("\(round)\(letter)")) }
                let current = platform
                let collecting = Task { try? await current.call(.post, Self.everything) }
                try await Task.sleep(for: .milliseconds(Int.random(in: 20...400)))
                let victim = ["supervisor", "registry", "deployer", "collector"][round % 4]
                let pid = victim == "supervisor" ? platform.supervisor : platform.child(victim)
                if let pid, pid > 1 { kill(pid, SIGKILL) }
                if victim == "supervisor" {
                    await platform.waitForExit(.seconds(30))
                    try? FileManager.default.removeItem(atPath: state + "/run/address")
                    platform = try await Platform(state: state, port: port, registryPort: registryPort)
                }
                _ = await collecting.value
                try await deployAgain(platform, "hello", source("after \(round)"))
                #expect(try await platform.get("/fn/hello").text == "after \(round)")
            }
            let settled = platform
            try await eventually("a collection comes to its end and finds nothing more", within: .seconds(60)) {
                let report = try await settled.call(.post, Self.everything)
                return report.status == 200 && report.json["bytes"] as? Int == 0
            }
            let revisions = try await platform.get("/func/hello/revisions").json["revisions"] as? [[String: Any]] ?? []
            #expect(!revisions.isEmpty)
            for revision in revisions {
                let image = try #require(revision["image"] as? String).split(separator: "@")
                let url = "http://\(platform.registry)/v2/kiln/hello/manifests/\(image[1])"
                let answer = try await platform.client.collect(
                    ClientRequest(.head, url, headers: ["Accept": "application/vnd.oci.image.manifest.v1+json"]))
                #expect(answer.status == 200, "\(image)")
            }
            await platform.stop()
        }
    }

    /// Deploys until the platform, parts of which were killed, takes it.
    private func deployAgain(_ platform: Platform, _ name: String, _ source: String) async throws {
        var last = ""
        do {
            try await eventually("\(name) can be deployed", within: .seconds(60)) {
                let answer = try await platform.deploy(name, source)
                last = answer.text
                return [200, 201].contains(answer.status)
            }
        } catch {
            throw PlatformFailure("\(error): \(last)")
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `the command says what would go, lets it go, and keeps what it is told to keep`() async throws {
        try await withState { state, port, registryPort in
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            for number in 1...6 { try await platform.mustDeploy("hello", source("\(number)")) }
            let first = platform
            try await withTool(platform.url) { kiln in
                // What still has instances is not collected.
                try await eventually("three are garbage", within: .seconds(60)) {
                    let dry = try kiln("gc", "--dry-run", "--keep", "3", "--keep-for", "0s", "--json")
                    return (dry.json["revisions"] as? [Any])?.count == 3 && dry.json["dryRun"] as? Bool == true
                }
                let dry = try kiln("gc", "--dry-run", "--keep", "3", "--keep-for", "0s")
                #expect(dry.code == 0 && dry.output.contains("hello") && dry.output.contains("images"), "\(dry)")
                #expect(try await first.get("/func/hello/revisions").json.count > 0)
                let wet = try kiln("gc", "--keep", "3", "--keep-for", "0s")
                #expect(wet.code == 0 && wet.output.contains("hello"), "\(wet) \(dry)")
                let kept = try await first.get("/func/hello/revisions").json["revisions"] as? [[String: Any]] ?? []
                #expect(kept.compactMap { $0["revision"] as? Int } == [6, 5, 4])
                let again = try kiln("gc", "--keep", "3", "--keep-for", "0s")
                #expect(!again.output.contains("hello"), "\(again)")
                let metrics = try await first.get("/metrics").text
                #expect(metrics.contains("kiln_gc_runs_total{result=\"ok\"} 2\n"))
                #expect(metrics.contains("kiln_gc_revisions_total 3\n"))

                // Everything is killed in the middle of one; the next start serves all.
                let running = try kiln.start(["gc", "--keep", "0", "--keep-for", "0s"])
                try await eventually("the registry is read-only", within: .seconds(60)) {
                    let text = try String(contentsOfFile: state + "/run/registry.yml", encoding: .utf8)
                    return text.contains("readonly") || !running.process.isRunning
                }
                kill(first.supervisor, SIGKILL)
                await first.waitForExit(.seconds(30))
                _ = running.end(SIGKILL)
            }
            try? FileManager.default.removeItem(atPath: state + "/run/address")
            platform = try await Platform(state: state, port: port, registryPort: registryPort)
            let second = platform
            try await eventually("it serves", within: .seconds(60)) { try await second.get("/fn/hello").text == "6" }
            #expect(try await platform.call(.post, "/func/hello/rollback").status == 200)
            try await platform.mustDeploy("hello", source("7"))
            #expect(try await platform.get("/fn/hello").text == "7")
            await platform.stop()
        }
    }

    @Test func `garbage is collected by itself`() async throws {
        let arguments = ["--gc-interval", "2s", "--keep-revisions", "1", "--keep-revisions-for", "0s"]
        try await withPlatform(arguments: arguments) { platform in
            for number in 1...4 { try await platform.mustDeploy("hello", source("\(number)")) }
            try await eventually("the old ones go", within: .seconds(60)) {
                let revisions = try await platform.get("/func/hello/revisions").json["revisions"] as? [Any]
                return revisions?.count == 2
            }
            try await eventually("one line of the log says so", within: .seconds(60)) {
                platform.log.contains("garbage collected")
            }
        }
    }

    @Test func `a web page cannot collect, and what makes no sense is refused`() async throws {
        try await withPlatform { platform in
            let foreign = try await platform.call(.post, "/gc", headers: ["Origin": "https://example.com"])
            #expect(foreign.status == 403)
            for query in ["keep=-1", "keep=x", "keep-for=7", "keepfor=1d", "dry-run=perhaps"] {
                #expect(try await platform.call(.post, "/gc?" + query).status == 400, "\(query)")
            }
            #expect(try await platform.get("/gc").status == 405)
        }
    }
}

import Foundation
import Testing
import Transfer

/// `kill -9` at random moments of deploys and rollbacks, then `kiln up` again.
@Suite(.serialized) struct CrashTests {
    /// What a function that was never deployed answers with.
    fileprivate static let absent = "404"

    private func source(_ text: String) -> String { "export default () => new Response('\(text)');" }

    @Test func `whatever is killed whenever, what was acknowledged serves and nothing is left over`() async throws {
        try await withState { state, port, registryPort in
            let rounds = isLong ? 200 : 20
            var allowed: [String: Set<String>] = [:]
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            let installation = try String(contentsOfFile: state + "/installation", encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            for round in 1...rounds {
                let name = "crash-\(round % 3)"
                let victim = ["supervisor", "deployer", "builder", "router", "registry", "everything"][round % 6]
                let current = platform
                let deploying = Task { () -> Int? in
                    if round % 4 == 0 { return try? await current.call(.post, "/func/\(name)/rollback").status }
                    return try? await current.deploy(name, source("\(round)")).status
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...300)))
                try strike(victim, platform)
                let status = await deploying.value
                allowed[name, default: [Self.absent]].settle(status, rollback: round % 4 == 0, source: "\(round)")
                if victim == "supervisor" || victim == "everything" {
                    await platform.waitForExit(.seconds(30))
                    try? FileManager.default.removeItem(atPath: state + "/run/address")
                    platform = try await Platform(state: state, port: port, registryPort: registryPort)
                }
                for (name, outcomes) in allowed {
                    try await eventually(
                        "\(name) is one of \(outcomes.sorted()) after \(victim) died in round \(round)"
                    ) {
                        let answer = try await platform.get("/fn/\(name)")
                        return outcomes.contains(answer.status == 200 ? answer.text : "\(answer.status)")
                    }
                }
                try await noHalfRevisions(platform)
            }
            await platform.stop()
            try await eventually("nothing is left over") {
                try Leftovers(state: state, installation: installation).found.isEmpty
            }
        }
    }

    @Test func `instances live on and are adopted when the Deployer or the supervisor dies`() async throws {
        try await withState { state, port, registryPort in
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            let source = "const born = crypto.randomUUID(); export default () => new Response(born);"
            try await platform.mustDeploy("born", source)
            let before = try await platform.get("/fn/born").text
            kill(try #require(platform.child("deployer")), SIGKILL)
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await platform.get("/fn/born").text == before)
            kill(platform.supervisor, SIGKILL)
            await platform.waitForExit(.seconds(20))
            try? FileManager.default.removeItem(atPath: state + "/run/address")
            platform = try await Platform(state: state, port: port, registryPort: registryPort)
            #expect(try await platform.get("/fn/born").text == before)
            await platform.stop()
        }
    }

    @Test func `after Ctrl-C nothing is left, and the next start serves what was deployed`() async throws {
        try await withState { state, port, registryPort in
            var platform = try await Platform(state: state, port: port, registryPort: registryPort)
            try await platform.mustDeploy("kept", source("kept"))
            let installation = try String(contentsOfFile: state + "/installation", encoding: .utf8)
                .trimmingCharacters(in: .whitespacesAndNewlines)
            await platform.stop()
            let leftovers = try Leftovers(state: state, installation: installation)
            #expect(leftovers.found.isEmpty, "\(leftovers)")
            let started = ContinuousClock.now
            platform = try await Platform(state: state, port: port, registryPort: registryPort)
            #expect(try await platform.get("/fn/kept").text == "kept")
            #expect(started.duration(to: .now) < .seconds(6))
            await platform.stop()
        }
    }

    private func strike(_ victim: String, _ platform: Platform) throws {
        let roles = ["deployer", "builder", "router", "registry"]
        switch victim {
        case "supervisor": kill(platform.supervisor, SIGKILL)
        case "everything":
            let pids = roles.compactMap { platform.child($0) }
            kill(platform.supervisor, SIGKILL)
            for pid in pids { kill(pid, SIGKILL) }
        default: if let pid = platform.child(victim) { kill(pid, SIGKILL) }
        }
    }

    /// Every revision is ready, failed, superseded or on its way; a live one has an image that the registry has.
    private func noHalfRevisions(_ platform: Platform) async throws {
        try await eventually("the record is whole") {
            let list = try await platform.get("/func")
            guard list.status == 200, let functions = list.json["functions"] as? [[String: Any]] else { return false }
            for function in functions {
                guard let image = function["image"] as? String else { continue }
                let parts = image.split(separator: "/", maxSplits: 1)[1].split(separator: "@")
                let url = "http://\(platform.registry)/v2/\(parts[0])/manifests/\(parts[1])"
                let head = try await platform.client.collect(
                    .init(.head, url, headers: ["Accept": "application/vnd.oci.image.manifest.v1+json"]), limit: 1 << 20
                )
                guard head.status == 200 else { return false }
            }
            return true
        }
    }
}

extension Set<String> {
    /// Narrows or widens what a function may answer by what became of a call: an acknowledged deploy is the only right outcome; without
    /// an acknowledgement the old and the new one are both right.
    fileprivate mutating func settle(_ status: Int?, rollback: Bool, source: String) {
        switch (status, rollback) {
        case (200, false), (201, false): self = [source]
        case (.some(400..<500), _): return
        case (_, false): insert(source)
        case (_, true): formUnion((1...999).map(String.init))
        }
    }
}

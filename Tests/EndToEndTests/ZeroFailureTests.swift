import Foundation
import Testing
import Transfer

/// No request fails while revisions change under constant load.
@Suite(.serialized) struct ZeroFailureTests {
    @Test func `deploys and rollbacks under load lose no request`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("busy", source(0))
            let load = Load(platform, "/fn/busy")
            for round in 1...(isLong ? 40 : 8) {
                try await platform.mustDeploy("busy", source(round))
                #expect(try await platform.get("/fn/busy").text == "\(round)")
                if round % 3 == 0 {
                    #expect(try await platform.call(.post, "/func/busy/rollback").status == 200)
                    #expect(try await platform.get("/fn/busy").text == "\(round - 1)")
                }
            }
            try await Task.sleep(for: .seconds(1))
            let result = await load.stop()
            #expect(result.failures.isEmpty, "\(result.failures.prefix(5)) of \(result.answered)")
            #expect(result.answered > 100)
            #expect(result.bodies.count > 5)
        }
    }

    @Test func `slow requests of the old revision end while the new one serves`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy(
                "slow",
                "export default async () => { await new Promise((r) => setTimeout(r, 2000)); return new Response('old'); };"
            )
            async let old = platform.get("/fn/slow")
            try await Task.sleep(for: .milliseconds(300))
            try await platform.mustDeploy("slow", "export default () => new Response('new');")
            #expect(try await platform.get("/fn/slow").text == "new")
            let answer = try await old
            #expect(answer.status == 200 && answer.text == "old", "\(answer.status) \(answer.text)")
        }
    }

    @Test func `deletes and changes of other functions do not touch this one`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("steady", source(1))
            let load = Load(platform, "/fn/steady", clients: 4)
            for round in 1...4 {
                try await platform.mustDeploy("other", source(round))
                #expect(try await platform.call(.delete, "/func/other").status == 204)
            }
            let result = await load.stop()
            #expect(result.failures.isEmpty, "\(result.failures.prefix(5)) of \(result.answered)")
        }
    }

    @Test func `the Builder, the Deployer and the registry may die without a failed call of a function`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("steady", source(1))
            let load = Load(platform, "/fn/steady", clients: 4)
            for role in ["deployer", "builder", "registry", "deployer"] {
                let pid = try #require(platform.child(role))
                kill(pid, SIGKILL)
                try await eventually("\(role) is started again") { platform.child(role) != pid }
                try await Task.sleep(for: .seconds(1))
            }
            let result = await load.stop()
            #expect(result.failures.isEmpty, "\(result.failures.prefix(5)) of \(result.answered)")
            try await eventually("deploys work again") {
                try await platform.deploy("steady", source(2)).status == 201
            }
            #expect(try await platform.get("/fn/steady").text == "2")
        }
    }

    private func source(_ number: Int) -> String { "export default () => new Response('\(number)');" }
}

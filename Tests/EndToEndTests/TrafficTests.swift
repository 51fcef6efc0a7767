import Foundation
import Testing
import Transfer

/// Traffic divided between revisions on a platform with everything in it.
@Suite(.serialized) struct TrafficTests {
    private func source(_ number: Int) -> String { "export default () => new Response('\(number)');" }

    @Test func `canaries, shares that shift and the way back lose no request, nor does a restart`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("shared", source(1))
            let load = Load(platform, "/fn/shared")
            func divide(_ shares: String) async throws {
                let answer = try await platform.call(.post, "/func/shared/traffic?to=\(shares)")
                #expect(answer.status == 200, "\(answer.text)")
            }
            for round in 1...(isLong ? 20 : 3) {
                let (old, new) = (2 * round - 1, 2 * round)
                try await platform.mustDeploy("shared", source(new), "&traffic=10")
                for percent in [30, 70, 99] { try await divide("\(old):\(100 - percent),\(new):\(percent)") }
                if round == 2 {
                    let pid = try #require(platform.child("deployer"))
                    kill(pid, SIGKILL)
                    try await eventually("the Deployer is started again") { platform.child("deployer") != pid }
                    try await eventually("the traffic is divided still") {
                        try await platform.get("/func/shared").text.contains(#""percent":99"#)
                    }
                }
                try await divide("\(new):100")
                #expect(try await platform.call(.post, "/func/shared/rollback").status == 200)
                try await platform.mustDeploy("shared", source(new + 1))
            }
            let result = await load.stop()
            #expect(result.failures.isEmpty, "\(result.failures.prefix(5)) of \(result.answered)")
            #expect(result.answered > 100 && result.bodies.count > 5)
        }
    }
}

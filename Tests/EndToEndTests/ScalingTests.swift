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
}

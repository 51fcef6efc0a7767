import Support
import Testing
import Transfer

/// When a call that changes what serves is answered on a cluster, whose Routers hear of it from the cluster.
@Suite(.serialized) struct SwitchTests {
    @Test(.timeLimit(.minutes(3)))
    func `what follows the answer to a rollback, a pin or a delete is routed by it`() async throws {
        try await withCluster { cluster in
            try await cluster.apply("hello", image: "a")
            try await eventually("revision 1 answers") { try await cluster.served("hello") == "hello-r1" }
            try await cluster.apply("hello", image: "b")
            try await eventually("revision 2 answers") { try await cluster.served("hello") == "hello-r2" }
            var times: [Duration] = []
            for round in 1...10 {
                let goal = round % 2 == 1 ? 1 : 2
                let started = ContinuousClock.now
                let answer = try await cluster.call(.post, "/func/hello/rollback?to=\(goal)")
                times.append(started.duration(to: .now))
                #expect(answer.status == 200, "\(answer.text)")
                #expect(try await cluster.served("hello") == "hello-r\(goal)", "round \(round)")
            }
            #expect(try await cluster.call(.get, "/fn/hello@1").status == 404)
            #expect(try await cluster.call(.post, "/func/hello/pin?revision=1").status < 300)
            #expect(try await cluster.call(.get, "/fn/hello@1").status == 200)
            #expect(try await cluster.call(.delete, "/func/hello").status == 204)
            #expect(try await cluster.call(.get, "/fn/hello").status == 404)
            // Nobody waits for a fixed time: a Pod that still runs is gone back to within less.
            let fastest = try #require(times.min())
            #expect(fastest < .milliseconds(450), "\(times)")
        }
    }
}

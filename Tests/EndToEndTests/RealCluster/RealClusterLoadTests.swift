import Foundation
import Testing
import Transfer

/// That no request fails while things change or end on a real cluster. Runs with `make test-kubernetes`.
@Suite(.serialized, .enabled(if: RealCluster.name != nil)) struct RealClusterLoadTests {
    private static func source(_ text: String) -> String { "export default () => new Response('\(text)');\n" }

    @Test(.timeLimit(.minutes(5)))
    func `deploys every two seconds under load fail no request`() async throws {
        try await withRealCluster { cluster, name in
            try await cluster.mustDeploy(name, Self.source("v0"))
            var last = 0
            let tally = try await cluster.underLoad(name, least: .seconds(32), "deploys") {
                let end = ContinuousClock.now + .seconds(30)
                while .now < end {
                    let next = ContinuousClock.now + .seconds(2)
                    last += 1
                    try await cluster.mustDeploy(name, Self.source("v\(last)"))
                    try await Task.sleep(until: next)
                }
            }
            print("\(last) deploys")
            #expect(last >= 3 && tally.bodies.count == last + 1, "each has answered: \(tally.bodies)")
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `Pods of a function that are deleted under load fail no request`() async throws {
        try await withRealCluster { cluster, name in
            try await cluster.mustDeploy(name, Self.source("one"), "&min=2")
            try await cluster.underLoad(name, "deleted Pods") {
                for _ in 1...3 {
                    let pods = try await cluster.objects("pods", of: name)
                    try await RealCluster.kubectl(
                        "-n", cluster.functions, "delete", "--wait=false", try #require(pods.first))
                    try await RealCluster.kubectl(
                        "-n", cluster.functions, "rollout", "status", "deployment/\(name)-r1", "--timeout=60s")
                    try await Task.sleep(for: .seconds(2))
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(6)), arguments: ["kiln-router", "kiln-deployer"])
    func `a rollout restart under load fails no request, and deploys go on`(role: String) async throws {
        try await withRealCluster { cluster, name in
            try await cluster.mustDeploy(name, Self.source("one"))
            try await cluster.underLoad(name, "restart of \(role)") {
                try await RealCluster.kubectl("-n", cluster.system, "rollout", "restart", "deployment/\(role)")
                try await RealCluster.kubectl(
                    "-n", cluster.system, "rollout", "status", "deployment/\(role)", "--timeout=180s")
                // The old ones end meanwhile.
                try await eventually("two are left", within: .seconds(90)) {
                    let pods = try await RealCluster.kubectl(
                        "-n", cluster.system, "get", "pods", "-o", "name", "-l",
                        "app.kubernetes.io/component=\(role.dropFirst(5))")
                    return pods.split(separator: "\n").count == 2
                }
                try await cluster.mustDeploy(name, Self.source("two"))
            }
            #expect(try await cluster.answer(name) == "two")
        }
    }

    @Test(.timeLimit(.minutes(5)))
    func `a leader that is killed in the middle of a roll-out is followed by one that goes on, and no request fails`()
        async throws
    {
        try await withRealCluster { cluster, name in
            try await cluster.mustDeploy(name, Self.source("one"))
            try await cluster.underLoad(name, "killed leader") {
                let lease = try await cluster.get("lease/kiln-deployer", "{.spec.holderIdentity}", in: cluster.system)
                let leader = try #require(lease.split(separator: "_").first)
                // It is not ready before the leader has gone.
                let slow = "await new Promise((done) => setTimeout(done, 8000));\n" + Self.source("two")
                let asked = try await cluster.call(.post, "/func?name=\(name)&wait=false", body: slow)
                #expect(asked.status == 202, "\(asked.text)")
                try await eventually("it is being rolled out") {
                    try await cluster.objects("deployments", of: name).count == 2
                }
                try await RealCluster.kubectl(
                    "-n", cluster.system, "delete", "pod", String(leader), "--grace-period=0", "--force")
                let began = ContinuousClock.now
                try await eventually("another leads", within: .seconds(30)) {
                    let now = try await cluster.get(
                        "lease/kiln-deployer", "{.spec.holderIdentity}", in: cluster.system)
                    return !now.isEmpty && !now.hasPrefix(leader)
                }
                print("another led after \(began.duration(to: .now))")
                try await eventually("revision 2 answers", within: .seconds(60)) {
                    try await cluster.answer(name) == "two"
                }
                try await eventually("revision 1 has gone", within: .seconds(60)) {
                    try await cluster.objects("deployments", of: name) == ["deployment.apps/\(name)-r2"]
                }
            }
            try await RealCluster.kubectl(
                "-n", cluster.system, "rollout", "status", "deployment/kiln-deployer", "--timeout=60s")
        }
    }
}

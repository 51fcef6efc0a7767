import Foundation
import Kubernetes
import Support
import Synchronization
import Testing
import Transfer

/// No request fails on a cluster, whatever happens beside it. `KILN_TEST_LOAD_SECONDS` says for how long at least.
@Suite(.serialized) struct ClusterLoadTests {
    @Test(.timeLimit(.minutes(60)))
    func `deploys, scaling, crashes and the ends of roles fail no request through two Routers`() async throws {
        let seconds = ProcessInfo.processInfo.environment["KILN_TEST_LOAD_SECONDS"].flatMap { Int($0) } ?? 0
        try await withCluster(routers: 2) { cluster in
            try await cluster.apply("busy", image: "a", min: 2)
            try await eventually("it answers at both doors") {
                let first = try await cluster.call(.get, "/fn/busy").status
                let second = try await cluster.call(.get, "/fn/busy", door: 1).status
                return first == 200 && second == 200
            }
            let load = ClusterLoad(cluster, "/fn/busy", clients: 8)
            var (revision, rounds) = (1, 0)
            let end = ContinuousClock.now + .seconds(seconds)
            repeat {
                revision = try await Self.round(cluster, load, after: revision)
                rounds += 1
            } while .now < end
            let result = await load.stop()
            // What a Pod had begun when it was killed ends with it: nobody knows how far it came. Each client has one request at a time.
            let lost = result.failures.filter { $0.contains("urn:kiln:upstream-closed") }
            #expect(lost.count <= 8 * rounds, "\(lost.count) of \(result.answered)")
            let failed = result.failures.filter { !lost.contains($0) }
            #expect(failed.isEmpty, "\(failed.prefix(5)) of \(result.answered)\n\(cluster.logs)")
            #expect(result.answered > 500, "\(result.answered)")
            #expect(result.seen.count >= 4, "\(result.seen)")
        }
    }

    /// Everything that may happen, once; `revision` is the last one there is. Returns the last one there is afterwards.
    private static func round(_ cluster: Cluster, _ load: ClusterLoad, after revision: Int) async throws -> Int {
        var revision = revision
        func deploy(_ letter: Character, min: Int) async throws {
            revision += 1
            let wanted = "busy-r\(revision)"
            try await cluster.apply("busy", image: letter, min: min)
            try await eventually("\(wanted) answers", within: .seconds(40)) {
                try await cluster.served("busy") == wanted
            }
        }
        func call(_ what: String) async throws {
            try await eventually("a leader does it: \(what)", within: .seconds(40)) {
                try await cluster.call(.post, what).status == 200
            }
        }
        try await deploy("b", min: 2)
        try await call("/func/busy/rollback?to=\(revision - 1)")
        try await call("/func/busy/rollback?to=\(revision)")
        try await cluster.nodes.crash("busy-r\(revision)")
        // From 1 Pod to 4, and back.
        try await deploy("c", min: 1)
        try await cluster.scale("busy-r\(revision)", to: 4)
        try await cluster.scale("busy-r\(revision)", to: 1)

        // A leader dies, in the middle of a roll-out.
        let leader = try #require(try await cluster.leader())
        cluster.nodes.set("busy-r\(revision + 1)", .silent)
        try await cluster.apply("busy", image: "d", min: 2)
        try await eventually("it is being rolled out") {
            try await cluster.api.get(
                DeploymentDocument.self, "busy-r\(revision + 1)", in: Cluster.functions) != nil
        }
        revision += 1
        cluster.deployers[leader].kill()
        cluster.nodes.set("busy-r\(revision)", .healthy)
        try await cluster.touch("busy-r\(revision)")
        // Meanwhile a Router is replaced: first nobody new is sent to it, then it ends what it has begun.
        load.close(door: 1)
        await cluster.routers[1].end()
        try cluster.routers[1].start()
        try await eventually("the Router routes", within: .seconds(20)) {
            try await cluster.call(.get, "/fn/busy", door: 1).status == 200
        }
        load.open(door: 1)
        try await eventually("the next leader goes on", within: .seconds(60)) {
            try await cluster.served("busy") == "busy-r\(revision)"
        }
        try cluster.deployers[leader].start()
        return revision
    }
}

extension Cluster {
    /// Has a Deployment have so many Pods, as its autoscaler does, and returns when they are listed.
    func scale(_ name: String, to count: Int) async throws {
        let path = "/apis/apps/v1/namespaces/\(Self.functions)/deployments/\(name)/scale"
        let answer = try await client.collect(
            ClientRequest(
                .patch, server.url + path, headers: ["Content-Type": "application/merge-patch+json"],
                body: .text(#"{"spec":{"replicas":\#(count)}}"#)), limit: 1 << 20)
        #expect(answer.status == 200, "\(String(decoding: answer.body, as: UTF8.self))")
        try await eventually("\(name) has \(count) Pods", within: .seconds(20)) {
            let slice = try await self.api.get(EndpointSlice.self, "\(name)-x", in: Self.functions)
            let ready = slice?.endpoints?.filter { $0.conditions?.ready == true } ?? []
            return ready.count == count && slice?.endpoints?.count == count
        }
    }
}

/// Constant load on a function through all front doors that are open.
private final class ClusterLoad: Sendable {
    private struct State {
        var answered = 0
        var failures: [String] = []
        var seen: Set<String> = []
        var open: [Int]
    }

    private let state: Mutex<State>
    private let tasks = Mutex<[Task<Void, Never>]>([])

    /// Starts `clients` loops of requests to `path`.
    init(_ cluster: Cluster, _ path: String, clients: Int) {
        state = Mutex(State(open: Array(cluster.urls.indices)))
        for number in 0..<clients {
            let task = Task { [weak self] in
                while !Task.isCancelled {
                    await self?.once(cluster, path, number)
                    try? await Task.sleep(for: .milliseconds(3))
                }
            }
            tasks.withLock { $0.append(task) }
        }
    }

    func close(door: Int) { state.withLock { $0.open.removeAll { $0 == door } } }
    func open(door: Int) { state.withLock { $0.open.append(door) } }

    /// Ends the load and returns what came of it.
    func stop() async -> (answered: Int, failures: [String], seen: Set<String>) {
        let running = tasks.withLock { $0 }
        for task in running { task.cancel() }
        for task in running { await task.value }
        return state.withLock { ($0.answered, $0.failures, $0.seen) }
    }

    private func once(_ cluster: Cluster, _ path: String, _ number: Int) async {
        let door = state.withLock { $0.open[number % $0.open.count] }
        do {
            let answer = try await cluster.call(.get, path, door: door)
            state.withLock { state in
                state.answered += 1
                state.seen.insert(answer.text.split(separator: " ").first.map(String.init) ?? "")
                if answer.status != 200 {
                    state.failures.append("\(door): \(answer.status) \(answer.text.prefix(300))")
                }
            }
        } catch {
            if Task.isCancelled { return }
            state.withLock { $0.failures.append("\(door): \(error)") }
        }
    }
}

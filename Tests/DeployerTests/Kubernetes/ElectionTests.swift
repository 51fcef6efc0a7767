import Contract
import FoundationEssentials
import Logging
import Support
import Synchronization
import Testing
import Transfer

@testable import Deployer
@testable import Kubernetes

@Suite struct ElectionTests {
    /// A candidate whose clock and network are the test's.
    struct Candidate {
        var election: Election
        /// How fast its clock goes, and what its wall clock shows.
        var rate = 1.0
        var wallError = Duration.zero
        var isAlive = true
        var isReachable = true

        init(_ name: String, rate: Double = 1, wallError: Duration = .zero) {
            election = Election(identity: name, namespace: "functions", name: "kiln-deployer")
            self.rate = rate
            self.wallError = wallError
        }

        func clock(_ time: Duration) -> Duration { time * rate + .seconds(1000 * (rate - 0.9)) }

        func leads(_ time: Duration) -> Bool { isAlive && election.leads(at: clock(time)) }

        /// Does what it does at `time`.
        mutating func act(_ api: APIClient, _ time: Duration) async {
            for _ in 0..<6 where isAlive {
                let wall = Timestamp(milliseconds: 1_800_000_000_000) + time + wallError
                let action = election.next(now: clock(time), wall: wall)
                if case .wait = action { return }
                election.heard(isReachable ? await Self.perform(action, api) : .failed, now: clock(time))
            }
        }

        static func perform(_ action: Election.Action, _ api: APIClient) async -> Election.Event {
            do throws(APIError) {
                switch action {
                case .wait: return .failed
                case .read:
                    return try await api.get(Lease.self, "kiln-deployer", in: "functions").map { .found($0) } ?? .absent
                case .create(let lease): return .written(try await api.create(lease))
                case .replace(let lease): return .written(try await api.replace(lease))
                }
            } catch {
                return error.code == .unreachable ? .failed : .refused
            }
        }
    }

    /// What happens to the leader after 20 s.
    enum Blow: CaseIterable, Sendable {
        case dies, partition, release, leaseDeleted
    }

    @Test(.timeLimit(.minutes(2)), arguments: Blow.allCases)
    func `there is never more than one leader, and a new one within 15 seconds`(blow: Blow) async throws {
        try await withKubernetes { server in
            let api = try server.api()
            // Clocks that go wrong by 2 %, and wall clocks that are an hour apart.
            var candidates = [
                Candidate("a"), Candidate("b", rate: 1.02, wallError: .seconds(3600)),
                Candidate("c", rate: 0.98, wallError: .seconds(-3600)),
            ]
            var first: Int?
            var changed: Duration?
            for tick in 0..<300 {
                let time = Duration.milliseconds(200 * tick)
                for index in candidates.indices { await candidates[index].act(api, time) }
                let leaders = candidates.indices.filter { candidates[$0].leads(time) }
                #expect(leaders.count <= 1, "at \(time)")
                if first == nil { first = leaders.first }
                guard let first else { continue }
                if time == .seconds(20) {
                    #expect(leaders == [first], "it still leads")
                    try await strike(&candidates[first], blow, api, time)
                }
                if time > .seconds(20), changed == nil, let leader = leaders.first, leader != first { changed = time }
            }
            let last = Duration.milliseconds(200 * 299)
            let leaders = candidates.indices.filter { candidates[$0].leads(last) }
            #expect(leaders.count == 1)
            if blow != .leaseDeleted {
                let handedOver = try #require(changed) - .seconds(20)
                #expect(handedOver < (blow == .release ? .seconds(3) : .seconds(15)), "\(handedOver)")
            }
            let lease = try #require(try await api.get(Lease.self, "kiln-deployer", in: "functions"))
            #expect(lease.spec?.holderIdentity == leaders.first.map { candidates[$0].election.identity })
        }
    }

    private func strike(_ leader: inout Candidate, _ blow: Blow, _ api: APIClient, _ time: Duration) async throws {
        switch blow {
        case .dies: leader.isAlive = false
        case .partition: leader.isReachable = false
        case .release:
            let lease = leader.election.release(now: leader.clock(time), wall: .now())
            _ = try await api.replace(try #require(lease))
            leader.isAlive = false
        case .leaseDeleted: _ = try await api.delete(Lease.self, "kiln-deployer", in: "functions")
        }
    }

    @Test(.timeLimit(.minutes(2))) func `a leader whose answers are lost goes on leading`() async throws {
        try await withKubernetes { server in
            let api = try server.api { $0.retry = .never }
            var candidate = Candidate("a")
            for tick in 0..<100 {
                let time = Duration.milliseconds(500 * tick)
                if tick > 2, tick % 5 == 0 { try await server.order(.drop("PUT", when: .after)) }
                await candidate.act(api, time)
                #expect(tick == 0 || candidate.leads(time), "at \(time)")
            }
            #expect(try await api.get(Lease.self, "kiln-deployer", in: "functions")?.spec?.leaseTransitions == 0)
        }
    }

    @Test(.timeLimit(.minutes(3))) func `work runs on one candidate at a time and moves on when it leaves`()
        async throws
    {
        try await withKubernetes { server in
            let terms = Election.Terms(duration: .seconds(4), deadline: .seconds(2), interval: .milliseconds(200))
            let shift = Shift()
            var tasks: [String: Task<Void, any Error>] = [:]
            for name in ["a", "b", "c"] {
                let election = try LeaderElection(
                    ClusterConnection(server: server.url, namespace: "functions"), name: "kiln-deployer",
                    identity: name,
                    terms: terms, logger: Logger(label: "test"))
                tasks[name] = Task { await election.run { await shift.work(name) } }
            }
            for _ in 0..<3 {
                let deadline = ContinuousClock.now + .seconds(60)
                while shift.names.isEmpty, .now < deadline { try await Task.sleep(for: .milliseconds(20)) }
                let leader = try #require(shift.names.first)
                let task = tasks.removeValue(forKey: leader)
                task?.cancel()
                try await task?.value
                #expect(!shift.names.contains(leader))
            }
            #expect(tasks.isEmpty)
            #expect(shift.most == 1)
        }
    }

    @Test func `times have six digits, whatever they are read from`() throws {
        for (text, milliseconds) in [
            ("2026-11-22T16:00:00.123456Z", 123), ("2026-11-22T16:00:00.000000Z", 0), ("2026-11-22T16:00:00Z", 0),
        ] {
            let read = try JSONDecoder().decode(MicroTime.self, from: Data("\"\(text)\"".utf8))
            #expect(read.moment.milliseconds % 1000 == Int64(milliseconds))
        }
        let written = try JSONEncoder().encode(MicroTime(Timestamp(milliseconds: 1_800_000_000_007)))
        #expect(String(decoding: written, as: UTF8.self) == "\"2027-01-15T08:00:00.007000Z\"")
    }
}

/// Who works, and how many ever did at a time.
private final class Shift: Sendable {
    private let state = Mutex<(names: [String], most: Int)>(([], 0))

    var names: [String] { state.withLock { $0.names } }
    var most: Int { state.withLock { $0.most } }

    func work(_ name: String) async {
        state.withLock { state in
            state.names.append(name)
            state.most = max(state.most, state.names.count)
        }
        while !Task.isCancelled { _ = try? await Task.sleep(for: .milliseconds(20)) }
        state.withLock { $0.names.removeAll { $0 == name } }
    }
}

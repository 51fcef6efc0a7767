import Contract
import FoundationEssentials
import Testing

@testable import Deployer
@testable import Kubernetes

@Suite struct RolloutVerdictTests {
    private func deployment(
        wanted: Int? = 2, replicas: Int?, updated: Int?, available: Int?, generation: Int64 = 3, observed: Int64 = 3,
        _ conditions: [Condition] = []
    ) throws -> ObservedDeployment {
        ObservedDeployment(
            WatchedMeta(name: "hello-r1"), revision: nil, generation: generation, replicas: wanted,
            status: .init(
                observedGeneration: observed, replicas: replicas, updatedReplicas: updated,
                availableReplicas: available, conditions: conditions))
    }

    @Test func `it is ready when all Pods of the newest generation are available, and only then`() throws {
        #expect(RolloutVerdict(try deployment(replicas: 2, updated: 2, available: 2), pods: []) == .ready)
        #expect(RolloutVerdict(try deployment(replicas: 3, updated: 2, available: 2), pods: []) == .waiting)
        #expect(RolloutVerdict(try deployment(replicas: 2, updated: 1, available: 2), pods: []) == .waiting)
        #expect(RolloutVerdict(try deployment(replicas: 2, updated: 2, available: nil), pods: []) == .waiting)
        #expect(
            RolloutVerdict(try deployment(replicas: 2, updated: 2, available: 2, observed: 2), pods: []) == .waiting)
        // Zeros are absent.
        #expect(
            RolloutVerdict(try deployment(wanted: 0, replicas: nil, updated: nil, available: nil), pods: []) == .ready)
    }

    @Test func `conditions of the last roll-out do not count`() throws {
        let late = Condition(type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded")
        let old = try deployment(replicas: 1, updated: 1, available: 0, observed: 2, [late])
        #expect(RolloutVerdict(old, pods: []) == .waiting)
        let new = try deployment(replicas: 1, updated: 1, available: 0, [late])
        guard case .failed(let failure, nil, nil) = RolloutVerdict(new, pods: []) else {
            Issue.record("not failed")
            return
        }
        #expect(failure.code == .timedOut)
    }

    @Test func `a Pod that leaves and a pull that is tried again say nothing`() throws {
        var leaving = Pod(metadata: ObjectMeta(name: "a"))
        leaving.metadata.deletionTimestamp = .now()
        leaving.status = .init(containerStatuses: [
            .init(name: "function", state: .init(terminated: .init(exitCode: 1, reason: "Error")))
        ])
        var pulling = Pod(metadata: ObjectMeta(name: "b"))
        pulling.status = .init(containerStatuses: [
            .init(name: "function", state: .init(waiting: .init(reason: "ErrImagePull", message: "EOF")))
        ])
        let verdict = RolloutVerdict(
            try deployment(replicas: 1, updated: 1, available: 0), pods: [leaving, pulling])
        #expect(verdict == .waiting)
    }

    @Test func `a crash is told by the run that ended, and an evicted Pod by the node`() throws {
        var crashed = Pod(metadata: ObjectMeta(name: "a"))
        let run = Pod.ContainerState.Terminated(exitCode: 3, reason: "Error")
        crashed.status = .init(containerStatuses: [.init(name: "function", state: .init(terminated: run))])
        let waiting = try deployment(replicas: 1, updated: 1, available: 0)
        #expect(
            RolloutVerdict(waiting, pods: [crashed])
                == .failed(RolloutFailure(.crashed, "The function ended: exit code 3."), pod: "a", run: run))
        var evicted = Pod(metadata: ObjectMeta(name: "b"))
        evicted.status = .init(phase: "Failed", reason: "Evicted", message: "The node was low on memory.")
        #expect(
            RolloutVerdict(waiting, pods: [evicted])
                == .failed(
                    RolloutFailure(.platform, "The node gave the function up (Evicted): The node was low on memory.")))
    }
}

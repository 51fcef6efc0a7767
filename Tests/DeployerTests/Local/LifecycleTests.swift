import Contract
import Foundation
import Testing

@testable import Deployer

extension LocalContainerTests {
    @Suite struct LifecycleTests {
        @Test func `a workload starts, answers on its socket, and leaves nothing when it is retired`() async throws {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.hello) { $0.network = .internet }
                try await backend.rollOut(workload)
                #expect(try await fixture.call(workload.id) == "hello")
                #expect(await backend.status(of: workload.id) == WorkloadStatus(ready: 1, desired: 1, restarts: 0, lastFailure: nil))
                await backend.retire(workload.id)
                #expect(fixture.instances.isEmpty)
                #expect(await backend.status(of: workload.id) == nil)
                try await eventually { fixture.endpoints(workload.id).isEmpty }
            }
        }
    }
}

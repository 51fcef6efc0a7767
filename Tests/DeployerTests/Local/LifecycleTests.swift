import Contract
import Foundation
import Testing

@testable import Deployer

extension LocalContainerTests {
    /// Rolling out, supervising and retiring.
    @Suite struct LifecycleTests {
        @Test func `a workload starts, answers on its socket, and leaves nothing when it is retired`() async throws {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.hello) { $0.network = .internet }
                try await backend.rollOut(workload)
                #expect(try await fixture.call(workload.id) == "hello")
                #expect(
                    await backend.status(of: workload.id)
                        == WorkloadStatus(ready: 1, desired: 1, restarts: 0, lastFailure: nil))
                try await backend.rollOut(workload)
                #expect(fixture.instances.count == 1)
                await backend.retire(workload.id)
                #expect(fixture.instances.isEmpty)
                #expect(await backend.status(of: workload.id) == nil)
                try await eventually { fixture.endpoints(workload.id).isEmpty }
                await backend.retire(workload.id)
            }
        }

        @Test func `several instances start side by side, each with a user, a name and a socket of its own`()
            async throws
        {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.hello) { $0.minimumInstances = 3 }
                try await backend.rollOut(workload)
                try await eventually { fixture.endpoints(workload.id).count == 3 }
                let records = fixture.instances.compactMap {
                    InstanceRecord.read(InstancePaths(instances: fixture.configuration.instances, id: $0))
                }
                #expect(Set(records.map(\.userID)).count == 3)
                for endpoint in fixture.endpoints(workload.id) {
                    guard case .unix(let path) = endpoint.address else { continue }
                    #expect(try await fixture.get(path) == "hello")
                    #expect(path.utf8.count <= 107)
                }
            }
        }

        @Test func `instances come at once, and go when they are drained, in whatever order it is asked for`()
            async throws
        {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.hello)
                try await backend.rollOut(workload)
                await backend.scale(workload.id, to: 3) { _ in }
                try await eventually(within: .seconds(60)) { fixture.endpoints(workload.id).count == 3 }
                let all = fixture.endpoints(workload.id)

                let (drained, drain) = AsyncStream.makeStream(of: Void.self)
                let (asked, ask) = AsyncStream.makeStream(of: Set<String>.self)
                await backend.scale(workload.id, to: 1) { instances in
                    ask.yield(instances)
                    for await _ in drained { return }
                }
                // The oldest stays. The others are out of the table, and go on answering what they have.
                try await eventually(within: .seconds(60)) { fixture.endpoints(workload.id) == [all[0]] }
                for await instances in asked {
                    #expect(instances == Set(all.dropFirst().map(\.id)))
                    break
                }
                for endpoint in all {
                    guard case .unix(let path) = endpoint.address else { continue }
                    #expect(try await fixture.get(path) == "hello")
                }
                #expect(await backend.status(of: workload.id)?.desired == 1)
                // Back up while they drain: others come.
                await backend.scale(workload.id, to: 2) { _ in }
                try await eventually(within: .seconds(60)) { fixture.endpoints(workload.id).count == 2 }
                #expect(fixture.instances.count == 4)
                drain.yield()
                try await eventually(within: .seconds(60)) { fixture.instances.count == 2 }
                #expect(await backend.status(of: workload.id)?.restarts == 0)
                // Retiring waits for nobody's requests.
                await backend.scale(workload.id, to: 1) { _ in try? await Task.sleep(for: .seconds(600)) }
                await backend.retire(workload.id)
                #expect(fixture.instances.isEmpty)
            }
        }

        @Test func `an instance that ends is started again with growing pauses, and its endpoint is gone meanwhile`()
            async throws
        {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.probe)
                try await backend.rollOut(workload)
                try await eventually { !fixture.endpoints(workload.id).isEmpty }
                let first = try #require(fixture.endpoints(workload.id).first ?? nil)
                _ = try? await fixture.inside(workload.id, "console.error('last words'); Deno.exit(7)")
                try await eventually { fixture.endpoints(workload.id) != [first] }
                try await eventually { await backend.status(of: workload.id)?.ready == 1 }
                let status = await backend.status(of: workload.id)
                #expect(status?.restarts == 1 && status?.lastFailure == "exit code 7")
                #expect(fixture.endpoints(workload.id).map(\.id) != [first.id])
                // The log of the instance that ended is still there.
                #expect(await lines(backend, "probe").contains("last words"))
            }
        }

        @Test func `a function that ends at its start fails the rollout with its last words, and nothing is left`()
            async throws
        {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(
                    "console.log('one'); console.error('two'); throw new Error('three')"
                ) {
                    $0.minimumInstances = 2
                }
                let failure = await #expect(throws: RolloutFailure.self) { try await backend.rollOut(workload) }
                #expect(failure?.code == .crashed)
                #expect(failure?.message == "The function ended before it accepted a request: exit code 1.")
                #expect(failure?.logs.contains("one") == true && failure?.logs.contains("two") == true)
                #expect(failure?.logs.contains { $0.contains("three") } == true)
                #expect(fixture.instances.isEmpty)
                #expect(await backend.status(of: workload.id) == nil)
            }
        }

        @Test func `a function that does not listen fails the rollout after the deadline`() async throws {
            try await withLocalFixture({ $0.startDeadline = .milliseconds(700) }) { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload("console.log('waiting'); setInterval(() => {}, 1000)")
                let failure = await #expect(throws: RolloutFailure.self) { try await backend.rollOut(workload) }
                #expect(failure?.code == .timedOut && failure?.logs == ["waiting"])
                #expect(failure?.message == "The function did not accept requests within 0.7 s (--start-deadline).")
                #expect(fixture.instances.isEmpty)
            }
        }

        @Test func `a missing secret, an unknown image and an image that cannot run say so`() async throws {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let secret = try fixture.workload(TestImages.hello) { $0.secrets = ["ABSENT"] }
                #expect(await code { try await backend.rollOut(secret) } == .secretMissing)
                fixture.secrets.set("LARGE", String(repeating: "x", count: (64 << 10) + 1))
                let large = try fixture.workload(TestImages.hello) { $0.secrets = ["LARGE"] }
                #expect(await code { try await backend.rollOut(large) } == .secretTooLarge)
                let names = (1...20).map { "S\($0)" }
                for name in names { fixture.secrets.set(name, String(repeating: "x", count: 60 << 10)) }
                let many = try fixture.workload(TestImages.hello) { $0.secrets = names }
                #expect(await code { try await backend.rollOut(many) } == .secretTooLarge)
                var unknown = try fixture.workload(TestImages.hello)
                unknown.image = PinnedImage(
                    registry: "r", repository: "x", digest: Digest(bytes: [UInt8](repeating: 9, count: 32)))
                #expect(await code { try await backend.rollOut(unknown) } == .image)
                var broken = try fixture.workload(TestImages.hello)
                broken.image = try fixture.images.add(TestImages.hello) { $0.entrypoint = ["/no/such/program"] }
                let failure = await #expect(throws: RolloutFailure.self) { try await backend.rollOut(broken) }
                #expect(failure?.message.contains("/no/such/program") == true, "\(failure?.message ?? "")")
                #expect(fixture.instances.isEmpty)
            }
        }

        @Test func `retiring waits for requests in flight, and kills what does not end in its grace period`()
            async throws
        {
            try await withLocalFixture({ $0.gracePeriod = .milliseconds(800) }) { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let polite = try fixture.workload(TestImages.probe, name: "polite")
                try await backend.rollOut(polite)
                let slow = Task {
                    try await fixture.inside(
                        polite.id, "await new Promise((r) => setTimeout(r, 400)); return 'finished'")
                }
                try await Task.sleep(for: .milliseconds(150))
                await backend.retire(polite.id)
                #expect(try await slow.value == "finished")

                let deaf = try fixture.workload(
                    "Deno.addSignalListener('SIGTERM', () => {}); Deno.serve(() => new Response())", name: "deaf")
                try await backend.rollOut(deaf)
                let elapsed = await ContinuousClock().measure { await backend.retire(deaf.id) }
                #expect(elapsed > .milliseconds(750) && elapsed < .seconds(4))
                #expect(fixture.instances.isEmpty)
            }
        }

        @Test func `retiring a workload that is being rolled out ends the rollout`() async throws {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload("setInterval(() => {}, 1000)")
                let rollout = Task { try await backend.rollOut(workload) }
                try await eventually { !fixture.instances.isEmpty }
                await backend.retire(workload.id)
                #expect(await code { try await rollout.value } == .retired)
                #expect(fixture.instances.isEmpty)
            }
        }

        @Test func `a rollout that its caller cancels leaves nothing`() async throws {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload("setInterval(() => {}, 1000)")
                let rollout = Task { try await backend.rollOut(workload) }
                try await eventually { !fixture.instances.isEmpty }
                rollout.cancel()
                await #expect(throws: CancellationError.self) { try await rollout.value }
                #expect(fixture.instances.isEmpty)
            }
        }

        @Test func `the checker runs with arguments of its own, without a network`() async throws {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let image = try fixture.images.add("throw new Error('not this one')") { image in
                    image.layers.append(fixture.configuration.stateDirectory + "/checker")
                }
                let layer = fixture.configuration.stateDirectory + "/checker/kiln"
                // What the checker's tmpfs are mounted on.
                for path in [layer, layer + "/../resolve"] {
                    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                }
                try Data(TestImages.probe.utf8).write(to: URL(filePath: layer + "/checker.js"))
                var spec = FunctionSpec()
                spec.network = .none
                let checker = Workload(id: .checker, image: image, spec: spec, arguments: ["/kiln/checker.js"])
                try await backend.rollOut(checker)
                #expect(try await fixture.inside(.checker, "return Deno.hostname()") == "checker")
                let hello = try fixture.images.add(TestImages.hello) { image in
                    image.layers.append(fixture.configuration.stateDirectory + "/checker")
                }
                let other = Workload(id: .checker, image: hello, spec: spec)
                try await backend.rollOut(other)
                try await eventually { (try? await fixture.call(.checker)) == "hello" }
                #expect(fixture.instances.count == 1)
            }
        }

        @Test func `a function that puts a link to a foreign socket in place of its own is not followed`() async throws
        {
            try await withLocalFixture({ $0.startDeadline = .seconds(1) }) { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(
                    """
                    Deno.symlinkSync("/proc/1/root/run/kiln/other.sock", "/run/kiln/http.sock");
                    setInterval(() => {}, 1000);
                    """)
                #expect(await code { try await backend.rollOut(workload) } == .timedOut)
                let file = try fixture.workload(
                    "Deno.writeTextFileSync('/run/kiln/http.sock', ''); setInterval(() => {}, 1000)", revision: 2)
                #expect(await code { try await backend.rollOut(file) } == .timedOut)

                // Replaced later: the Router's name still means the socket that was there first.
                let probe = try fixture.workload(TestImages.probe, revision: 3)
                try await backend.rollOut(probe)
                let swap =
                    "Deno.removeSync('/run/kiln/http.sock'); Deno.symlinkSync('/etc/passwd', '/run/kiln/http.sock'); return 1"
                #expect(try await fixture.inside(probe.id, swap) == "1")
                #expect(try await fixture.inside(probe.id, "return 2") == "2")
            }
        }

        private func code(_ body: () async throws -> Void) async -> RolloutFailure.Code? {
            do {
                try await body()
                return nil
            } catch {
                return (error as? RolloutFailure)?.code
            }
        }

        private func lines(_ backend: LocalBackend, _ function: String) async -> [String] {
            guard let name = try? FunctionName(function) else { return [] }
            var lines: [String] = []
            for await line in await backend.lines(of: name, LogQuery(tail: 100)) {
                lines.append(line.message)
            }
            return lines
        }
    }
}

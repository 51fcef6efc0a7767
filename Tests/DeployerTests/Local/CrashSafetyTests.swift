import Contract
import Foundation
import Synchronization
import Testing

@testable import Deployer

extension LocalContainerTests {
    /// A Deployer that stops at some point, and the next one.
    @Suite struct CrashSafetyTests {
        @Test(arguments: InstanceStep.allCases)
        func `whatever was under way when a Deployer stopped is removed by the next`(step: InstanceStep) async throws {
            try await withLocalFixture { fixture in
                let stop = Stop(at: step)
                let first = try await fixture.backend { await stop.reached($0) }
                try await first.adopt([])
                let workload = try fixture.workload(TestImages.hello) { $0.network = .internet }
                let rollout = Task { try? await first.rollOut(workload) }
                await stop.hasStopped()
                #expect(fixture.instances.count == 1)
                #expect(try await !fixture.leftovers().isEmpty)

                let second = try await fixture.backend()
                try await second.adopt([])
                try await eventually { fixture.instances.isEmpty }
                await second.removeEverything()
                let left = try await fixture.leftovers()
                #expect(left.isEmpty, "\(left.joined(separator: "\n"))")
                stop.goOn()
                await rollout.value
            }
        }

        @Test func `running instances are adopted by the next Deployer, without a failed request`() async throws {
            try await withLocalFixture { fixture in
                let first = try await fixture.backend()
                try await first.adopt([])
                let workload = try fixture.workload(TestImages.hello) {
                    $0.network = .internet
                    $0.minimumInstances = 2
                }
                let unwanted = try fixture.workload(TestImages.hello, name: "unwanted") { $0.network = .internet }
                try await first.rollOut(workload)
                try await first.rollOut(unwanted)
                try await eventually { fixture.endpoints(workload.id).count == workload.spec.minimumInstances }
                let before = Set(fixture.endpoints(workload.id).map(\.id))
                let socket = try await fixture.socket(workload.id)
                let load = Task {
                    var answers = 0
                    while !Task.isCancelled {
                        guard let answer = try? await fixture.get(socket) else {
                            #expect(Task.isCancelled, "a request failed")
                            break
                        }
                        #expect(answer == "hello")
                        answers += 1
                    }
                    return answers
                }
                await first.close()

                let second = try await fixture.backend()
                try await second.adopt([workload])
                #expect(await second.status(of: workload.id)?.ready == 2)
                try await second.rollOut(workload)
                try await eventually { Set(fixture.endpoints(workload.id).map(\.id)) == before }
                try await eventually { fixture.instances.count == 2 }
                load.cancel()
                #expect(await load.value > 0)

                // Adopted instances are watched like any other.
                let id = try #require(before.first)
                let paths = InstancePaths(instances: fixture.configuration.instances, id: id)
                let process = try #require(DiskFile.text(paths.processID).flatMap { pid_t($0) })
                kill(process, SIGKILL)
                try await eventually { await second.status(of: workload.id)?.lastFailure == "killed by signal 9" }
                try await eventually { await second.status(of: workload.id)?.ready == 2 }
            }
        }

        @Test func `adopting starts what is desired and does not run, and removes what runs something else`()
            async throws
        {
            try await withLocalFixture { fixture in
                let first = try await fixture.backend()
                try await first.adopt([])
                let workload = try fixture.workload(TestImages.hello) { $0.minimumInstances = 2 }
                try await first.rollOut(workload)
                await first.close()
                var changed = workload
                changed.spec.minimumInstances = 1
                let missing = try fixture.workload(TestImages.hello, name: "missing")
                let second = try await fixture.backend()
                try await second.adopt([changed, missing])
                try await second.rollOut(changed)
                try await second.rollOut(missing)
                try await eventually { fixture.instances.count == 2 }
                for id in fixture.instances {
                    let record = InstanceRecord.read(InstancePaths(instances: fixture.configuration.instances, id: id))
                    #expect(record?.workload == changed || record?.workload == missing)
                }
            }
        }

        @Test func `an instance that was started but not yet ready when its Deployer stopped is waited for`()
            async throws
        {
            try await withLocalFixture { fixture in
                let stop = Stop(at: .started)
                let first = try await fixture.backend { await stop.reached($0) }
                try await first.adopt([])
                let workload = try fixture.workload(TestImages.hello)
                let rollout = Task { try? await first.rollOut(workload) }
                await stop.hasStopped()
                let id = fixture.instances

                let second = try await fixture.backend()
                try await second.adopt([workload])
                try await second.rollOut(workload)
                try await eventually { fixture.endpoints(workload.id).map(\.id) == id }
                #expect(try await fixture.call(workload.id) == "hello")
                await second.retire(workload.id)
                stop.goOn()
                await rollout.value
            }
        }

        @Test func `an instance whose monitor was killed is replaced`() async throws {
            try await withLocalFixture { fixture in
                let first = try await fixture.backend()
                try await first.adopt([])
                let workload = try fixture.workload(TestImages.hello)
                try await first.rollOut(workload)
                let id = try #require(fixture.instances.first)
                let paths = InstancePaths(instances: fixture.configuration.instances, id: id)
                let monitor = try #require(Monitor.running(paths, instance: id))
                await first.close()
                monitor.signal(SIGKILL)
                let second = try await fixture.backend()
                try await second.adopt([workload])
                try await second.rollOut(workload)
                #expect(fixture.instances.count == 1 && fixture.instances != [id])
            }
        }

        @Test func `what a Deployer left half made in the kernel is found by its name`() async throws {
            try await withLocalFixture { fixture in
                let installation = fixture.configuration.installation
                let id = "0123456789ab"
                let paths = InstancePaths(instances: fixture.configuration.instances, id: id)
                try FileManager.default.createDirectory(atPath: paths.run, withIntermediateDirectories: true)
                try Mounts.memory(at: paths.run, bytes: 4096, entries: 4)
                let ip = try Program("ip", package: "iproute2")
                try await ip.check("", ["netns", "add", "kiln-\(installation)-0ff"])
                try await ip.check(
                    "", ["link", "add", "kiln\(installation)0fe", "type", "veth", "peer", "name", "kt\(installation)"])
                let nft = try Program("nft", package: "nftables")
                try await nft.check("", ["add", "table", "inet", "kiln_\(installation)"])
                for point in Set(
                    Cgroups(installation: installation, mountTable: DiskFile.text("/proc/self/mountinfo") ?? "")
                        .hierarchies.values)
                {
                    mkdir("\(point)/kiln_\(installation)", 0o755)
                    mkdir("\(point)/kiln_\(installation)/\(id)", 0o755)
                }
                let runtime = OCIRuntime.directory(installation) + "/runtime/kiln-\(installation)-\(id)"
                try FileManager.default.createDirectory(atPath: runtime, withIntermediateDirectories: true)
                // The script that makes a container, in the middle of it.
                let maker = Task {
                    try await Program("sh", package: "dash").run([
                        "-c", "sleep 60; exit 0", "kiln", "mount", "lower", paths.root,
                    ])
                }
                try await Task.sleep(for: .milliseconds(100))

                let backend = try await fixture.backend()
                try await backend.adopt([])
                #expect(try await !maker.value.succeeded)
                #expect(fixture.instances.isEmpty && !DiskFile.exists(runtime))
                // The script's own child is nobody's business in real life: `mount` is short and the others are exec'ed.
                await backend.removeEverything()
                let left = try await fixture.leftovers()
                #expect(left.isEmpty, "\(left.joined(separator: "\n"))")
            }
        }

        @Test func `rubbish in the places of instances is removed, and nothing is followed out of them`() async throws {
            try await withLocalFixture { fixture in
                let files = FileManager.default
                let instances = fixture.configuration.instances
                let precious = fixture.configuration.stateDirectory + "/precious"
                try files.createDirectory(atPath: instances + "/0123456789ab/run", withIntermediateDirectories: true)
                try files.createDirectory(atPath: precious, withIntermediateDirectories: true)
                try Data("x".utf8).write(to: URL(filePath: precious + "/file"))
                try files.createSymbolicLink(
                    atPath: instances + "/0123456789ab/run/link", withDestinationPath: precious)
                try files.createSymbolicLink(atPath: instances + "/abcdefabcdef", withDestinationPath: precious)
                try Data("{".utf8).write(to: URL(filePath: instances + "/0123456789ab/instance.json"))
                try files.createDirectory(atPath: instances + "/.new-0123456789ac", withIntermediateDirectories: true)
                try files.createDirectory(atPath: instances + "/something", withIntermediateDirectories: true)
                let backend = try await fixture.backend()
                try await backend.adopt([])
                #expect(DiskFile.names(in: instances).isEmpty)
                #expect(DiskFile.exists(precious + "/file"))
            }
        }
    }
}

/// Makes a Deployer stand still at a step, as if it had died there.
private final class Stop: Sendable {
    private let step: InstanceStep
    private let stopped = AsyncStream<Void>.makeStream()
    private let released = AsyncStream<Void>.makeStream()

    init(at step: InstanceStep) { self.step = step }

    func reached(_ step: InstanceStep) async {
        guard step == self.step else { return }
        stopped.continuation.finish()
        for await _ in released.stream {}
    }

    func hasStopped() async { for await _ in stopped.stream {} }

    func goOn() { released.continuation.finish() }
}

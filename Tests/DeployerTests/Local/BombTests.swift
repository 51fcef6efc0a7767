import Contract
import Foundation
import Testing

@testable import Deployer

extension LocalContainerTests {
    /// Functions that use up what they can. Each ends or is held within its limits, is reported, and harms no neighbour.
    @Suite struct BombTests {
        @Test func `an array buffer bomb is killed at its memory limit, reported and started again`() async throws {
            try await withBomb({ $0.memoryBytes = 96 << 20 }) { fixture, backend, bomb in
                let answer = try? await fixture.inside(
                    bomb, "globalThis.kept = []; for (;;) kept.push(new Uint8Array(1 << 20).fill(1));",
                    within: .seconds(30))
                #expect(answer == nil)
                try await eventually { await backend.status(of: bomb)?.lastFailure == "out of memory (limit 96 MiB)" }
                try await eventually { await backend.status(of: bomb)?.ready == 1 }
                #expect(await backend.status(of: bomb)?.restarts == 1)
                #expect(try await fixture.inside(bomb, "return 'again'") == "again")
                // The monitor's mark of it is not in the directory that the Deployer was started in.
                #expect(!FileManager.default.fileExists(atPath: "oom"))
            }
        }

        @Test func `what a function keeps in tmp counts as its memory`() async throws {
            try await withBomb({ $0.memoryBytes = 96 << 20 }) { fixture, backend, bomb in
                _ = try? await fixture.inside(
                    bomb,
                    """
                    Deno.writeFileSync("/tmp/a", new Uint8Array(40 << 20));
                    globalThis.kept = [];
                    for (let i = 0; i < 90; i++) kept.push(new Uint8Array(1 << 20).fill(1));
                    """, within: .seconds(30))
                try await eventually { await backend.status(of: bomb)?.lastFailure == "out of memory (limit 96 MiB)" }
            }
        }

        @Test func `a full JavaScript heap is reported as such`() async throws {
            try await withBomb({ $0.memoryBytes = 512 << 20 }, flags: ["--v8-flags=--max-heap-size=48"]) {
                fixture, backend, bomb in
                _ = try? await fixture.inside(
                    bomb, "globalThis.kept = []; for (;;) kept.push({ a: [1, 2, 3], b: String(Math.random()) });",
                    within: .seconds(30))
                try await eventually {
                    await backend.status(of: bomb)?.lastFailure == "out of memory (the JavaScript heap is full)"
                }
            }
        }

        @Test func `a CPU burner gets its limit and no more`() async throws {
            try await withBomb({ $0.cpuMillicores = 500 }) { fixture, _, bomb in
                let answer = try await fixture.inside(
                    bomb,
                    """
                    const begin = performance.now(); const before = process.cpuUsage();
                    while (performance.now() - begin < 2000);
                    const used = process.cpuUsage(before);
                    return (used.user + used.system) / 1000 / (performance.now() - begin);
                    """)
                #expect((Double(answer) ?? 1) < 0.65, "\(answer)")
            }
        }

        @Test func `workers stop at the task limit`() async throws {
            try await withBomb({ $0.memoryBytes = 1 << 30 }) { fixture, _, bomb in
                let id = try #require(bombInstance(fixture))
                // Deno panics when a thread cannot be made: the function ends, nothing else does.
                _ = try? await fixture.inside(
                    bomb,
                    """
                    const source = URL.createObjectURL(new Blob(["setInterval(() => {}, 1000)"]));
                    for (let i = 0; i < 200; i++) new Worker(source, { type: "module" });
                    await new Promise((resolve) => setTimeout(resolve, 1500));
                    """, within: .seconds(20))
                for point in try tasks(fixture, id) { #expect(point <= fixture.configuration.tasks) }
            }
        }

        @Test func `processes stop at the task limit`() async throws {
            try await withBomb({ $0.memoryBytes = 2 << 30 }) { fixture, _, bomb in
                let answer = try await fixture.inside(
                    bomb,
                    """
                    globalThis.children = [];
                    try { for (let i = 0; i < 200; i++) children.push(new Deno.Command("/usr/bin/deno", { args: ["eval", "setInterval(()=>{},1000)"] }).spawn()); }
                    catch (error) { return String(error); }
                    return "no limit";
                    """, within: .seconds(30))
                #expect(answer != "no limit")
            }
        }

        @Test func `open files stop at their limit`() async throws {
            try await withBomb { fixture, _, bomb in
                let answer = try await fixture.inside(
                    bomb,
                    """
                    globalThis.files = [];
                    try { for (;;) files.push(Deno.openSync("/etc/hosts")); } catch (error) { return `${files.length} ${error.message}`; }
                    """)
                #expect(answer.contains("Too many open files"), "\(answer)")
                #expect((Int(answer.prefix { $0.isNumber }) ?? .max) <= Int(fixture.configuration.openFiles))
            }
        }

        @Test func `a log flood stays within the log's size and leaves the processors to others`() async throws {
            try await withBomb(configuration: { $0.logBytes = 1 << 20 }) { fixture, _, bomb in
                let id = try #require(bombInstance(fixture))
                _ = try await fixture.inside(
                    bomb,
                    """
                    const line = "x".repeat(1000) + "\\n"; const bytes = new TextEncoder().encode(line.repeat(64));
                    const end = performance.now() + 2500;
                    while (performance.now() < end) { Deno.stdout.writeSync(bytes); await 0; }
                    """, within: .seconds(30))
                let log = InstancePaths(instances: fixture.configuration.instances, id: id).log
                let size = try FileManager.default.attributesOfItem(atPath: log)[.size] as? Int
                #expect((size ?? .max) <= 1 << 20)
            }
        }

        @Test func `a function that does not fit into its memory at the start fails its rollout, saying so`()
            async throws
        {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let code = "globalThis.kept = []; for (;;) kept.push(new Uint8Array(1 << 20).fill(1));"
                let workload = try fixture.workload(code) { $0.memoryBytes = 64 << 20 }
                let failure = await #expect(throws: RolloutFailure.self) { try await backend.rollOut(workload) }
                #expect(failure?.code == .outOfMemory)
                #expect(failure?.message.contains("out of memory (limit 64 MiB)") == true)
                #expect(fixture.instances.isEmpty)
                #expect(await backend.status(of: workload.id) == nil)
            }
        }

        /// Runs `body` with a probe and a neighbour, which has to answer in good time all along.
        private func withBomb(
            _ change: (inout FunctionSpec) -> Void = { _ in }, flags: [String] = [],
            configuration: (inout LocalConfiguration) -> Void = { _ in },
            _ body: (LocalFixture, LocalBackend, WorkloadID) async throws -> Void
        ) async throws {
            try await withLocalFixture({
                $0.restarts.initialDelay = .milliseconds(50); configuration(&$0)
            }) { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let neighbour = try fixture.workload(TestImages.hello, name: "neighbour")
                var bomb = try fixture.workload(TestImages.probe, name: "bomb", change)
                if !flags.isEmpty {
                    bomb.image = try fixture.images.add(TestImages.probe) { $0.entrypoint += flags }
                }
                try await backend.rollOut(neighbour)
                try await backend.rollOut(bomb)
                let socket = try await fixture.socket(neighbour.id)
                let watcher = Task {
                    var slowest = Duration.zero
                    while !Task.isCancelled {
                        let begin = ContinuousClock.now
                        guard let answer = try? await fixture.get(socket) else {
                            #expect(Task.isCancelled, "the neighbour did not answer")
                            break
                        }
                        #expect(answer == "hello")
                        slowest = max(slowest, ContinuousClock.now - begin)
                        try? await Task.sleep(for: .milliseconds(25))
                    }
                    return slowest
                }
                do {
                    try await body(fixture, backend, bomb.id)
                } catch {
                    watcher.cancel()
                    _ = await watcher.value
                    throw error
                }
                watcher.cancel()
                let slowest = await watcher.value
                #expect(slowest < .seconds(2))
                #expect(await backend.status(of: neighbour.id)?.restarts == 0)
            }
        }

        private func bombInstance(_ fixture: LocalFixture) -> String? {
            fixture.instances.first { id in
                let record = InstanceRecord.read(InstancePaths(instances: fixture.configuration.instances, id: id))
                return record?.workload.id.text == "bomb@1"
            }
        }

        private func tasks(_ fixture: LocalFixture, _ id: String) throws -> [Int] {
            let group = Cgroups.path(installation: fixture.configuration.installation, instance: id)
            return ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"].compactMap { DiskFile.text("\($0)\(group)/pids.current") }
                .compactMap { Int($0.filter { !$0.isWhitespace }) }
        }
    }
}

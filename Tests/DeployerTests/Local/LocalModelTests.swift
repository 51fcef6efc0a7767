import Contract
import Foundation
import Testing

@testable import Deployer

@Suite struct LocalModelTests {
    @Test func `pauses double up to the longest, and start over after a stable run`() {
        var policy = RestartPolicy()
        policy.maximumDelay = .seconds(1)
        var backoff = Backoff(policy)
        let pauses = (0..<6).map { _ in backoff.pause(afterRunningFor: .zero).milliseconds }
        #expect(pauses == [100, 200, 400, 800, 1000, 1000])
        #expect(backoff.pause(afterRunningFor: .seconds(60)).milliseconds == 100)
        #expect(backoff.pause(afterRunningFor: .seconds(59)).milliseconds == 200)
    }

    @Test(arguments: [
        ("0\n", 0, "", "exit code 0"), ("1", 0, "", "exit code 1"), ("137", 0, "", "killed by signal 9"),
        ("137", 1, "", "out of memory (limit 64 MiB)"), ("0", 1, "", "exit code 0"), ("255", 0, "", "exit code 255"),
        ("133", 0, "# Fatal JavaScript out of memory: x", "out of memory (the JavaScript heap is full)"),
        ("133", 0, "", "killed by signal 5"), (nil, 0, "", "ended without an exit code"),
        ("?", 0, "", "ended without an exit code"),
    ])
    func `the end of an instance is told in words`(file: String?, kills: Int, line: String, text: String) {
        let end = InstanceEnd(exitFile: file, outOfMemoryKills: kills, memoryLimit: 64 << 20, lastLines: [line])
        #expect(end.description == text)
        #expect((end.code == .outOfMemory) == text.hasPrefix("out of memory"))
    }

    @Test func `Kiln's variables win over secrets, those over the function's, those over the image's`() throws {
        var spec = FunctionSpec()
        spec.environment = ["A": "function", "B": "function", "DENO_SERVE_ADDRESS": "tcp:0.0.0.0:1"]
        let image = PinnedImage(registry: "r", repository: "x", digest: Digest(bytes: [UInt8](repeating: 0, count: 32)))
        let function = RevisionID(function: try FunctionName("x"), number: 1)
        let environment = ["A=image", "C=a=b", "=x", "rubbish", "B=image"]
        func list(_ id: WorkloadID) -> [String] {
            Sandbox.environment(
                image: environment, workload: Workload(id: id, image: image, spec: spec), secrets: ["B": "secret"])
        }
        let values = ["A=function", "B=secret", "C=a=b", "DENO_SERVE_ADDRESS=unix:/run/kiln/http.sock"]
        #expect(list(.checker) == values)
        let own = ["DENO_V8_FLAGS=--max-heap-size=208", "KILN_LIVENESS=/run/kiln/live.sock"]
        #expect(list(.revision(function)) == values + own)
    }

    @Test func `user ids are unique while in use and come back late`() throws {
        let ids = UserIDs(first: 1000)
        ids.mark(1001)
        #expect(try [ids.take(), ids.take(), ids.take()] == [1000, 1002, 1003])
        ids.giveBack(1002)
        #expect(try ids.take() == 1004)
    }

    @Test func `control groups of both versions are found`() {
        let hybrid = Cgroups(
            installation: "ab12cd",
            mountTable: """
                30 25 0:26 / /sys/fs/cgroup/memory rw,relatime shared:1 - cgroup cgroup rw,memory
                31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
                32 25 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
                33 25 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
                """)
        #expect(hybrid.version == .v1)
        #expect(hybrid.hierarchies["cpuacct"] == "/sys/fs/cgroup/cpu,cpuacct" && hybrid.hierarchies[""] != nil)
        let unified = Cgroups(
            installation: "ab12cd", mountTable: "30 25 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate")
        #expect(unified.version == .v2 && unified.hierarchies == ["": "/sys/fs/cgroup"])
        #expect(Cgroups(installation: "ab12cd", mountTable: "").hierarchies.isEmpty)
    }

    @Test func `mount points are found by their place, escapes undone`() {
        let table = """
            1 0 8:1 / / rw - ext4 /dev/vda rw
            2 1 0:5 / /state/instances/a/run rw shared:3 - tmpfs tmpfs rw
            3 1 0:5 / /state/instances2 rw - tmpfs tmpfs rw
            4 1 0:5 / /state/instances/with\\040space rw - tmpfs tmpfs rw
            """
        #expect(
            Mounts.points(below: "/state/instances", in: table) == [
                "/state/instances/a/run", "/state/instances/with space",
            ])
    }

    @Test func `the runtime's last words are found in its log line`() {
        #expect(
            Monitor.sentence(of: #"time="2026" level=error msg="runc create failed: no \"x\" here""#)
                == #"runc create failed: no "x" here"#)
        #expect(
            Monitor.sentence(of: "crun: cgroups in hybrid mode not supported\n")
                == "crun: cgroups in hybrid mode not supported")
    }

    @Test(arguments: [
        "relative", "/with space", "/with:colon", "/with,comma", "/" + String(repeating: "x", count: 71), "/ä",
    ])
    func `a state directory that cannot work is refused with a reason`(path: String) {
        let error = #expect(throws: DeployerError.self) {
            try LocalConfiguration(stateDirectory: path, installation: "ab12cd").check()
        }
        #expect(error?.message.contains("state directory") == true)
    }

    @Test func `limits reach the runtime's configuration`() throws {
        var configuration = LocalConfiguration(stateDirectory: "/state", installation: "ab12cd")
        configuration.openFiles = 1000
        let machine = Sandbox.Machine(
            cgroupVersion: .v2, limitsSwap: true, hasIPv6: true, hasCgroupNamespaces: true, openFiles: 500)
        var spec = FunctionSpec()
        spec.cpuMillicores = 250
        spec.memoryBytes = 64 << 20
        let resources = Sandbox(configuration: configuration, machine: machine).resources(spec)
        #expect(resources.memory.limit == 64 << 20 && resources.memory.swap == 64 << 20)
        #expect(resources.cpu.quota == 25_000 && resources.cpu.period == 100_000 && resources.cpu.shares == 256)
        #expect(resources.unified == ["memory.oom.group": "1"])
    }
}

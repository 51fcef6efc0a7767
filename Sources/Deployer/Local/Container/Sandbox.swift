import Contract
import FoundationEssentials
import Glibc

/// Builds the `config.json` of an instance: what it runs, and everything that keeps it in.
struct Sandbox: Sendable {
    /// What the machine offers, found out once.
    struct Machine: Sendable {
        var cgroupVersion: Cgroups.Version
        var limitsSwap: Bool
        var hasIPv6: Bool
        var hasCgroupNamespaces: Bool
        /// The hard limit of open files, which only CAP_SYS_RESOURCE may exceed.
        var openFiles: UInt64
    }

    var configuration: LocalConfiguration
    var machine: Machine

    /// The socket a function listens on, as it sees it.
    static let serveAddress = "unix:/run/kiln/http.sock"
    /// The socket that the bootstrap answers liveness probes on, as it sees it.
    static let livenessPath = "/run/kiln/live.sock"

    /// The bundle configuration of `record`. `namespace` is the path of its network namespace; `nil` makes an empty one.
    func specification(
        of record: InstanceRecord, image: PreparedImage, paths: InstancePaths, environment: [String], namespace: String?
    ) -> RuntimeSpec {
        let spec = record.workload.spec
        return RuntimeSpec(
            process: .init(
                user: .init(uid: record.userID, gid: record.userID),
                args: image.entrypoint + (record.workload.arguments ?? image.command), env: environment,
                cwd: image.workingDirectory.isEmpty ? "/" : image.workingDirectory, rlimits: resourceLimits,
                oomScoreAdj: 500),
            root: .init(path: paths.root), hostname: hostname(of: record.workload.id),
            mounts: mounts(spec, paths, hasNetwork: namespace != nil) + rooms(of: record.workload.id),
            linux: .init(
                cgroupsPath: Cgroups.path(installation: configuration.installation, instance: record.id),
                namespaces: namespaces(namespace), resources: resources(spec), sysctl: sysctl,
                seccomp: .instance, maskedPaths: Self.maskedPaths, readonlyPaths: Self.readonlyPaths))
    }

    /// What an instance needs beside its JavaScript heap, in bytes: Deno has 30 MiB resident when it is idle.
    static let memoryBesideHeap: Int64 = 48 << 20

    /// The environment of an instance: the image's, under the function's, under secrets, under Kiln's.
    ///
    /// Without a limit of its own, V8 takes the heap it may use from the machine's memory, collects too late, and the kernel kills a
    /// function that has mostly garbage. The checker limits its children itself.
    static func environment(image: [String], workload: Workload, secrets: [String: String]) -> [String] {
        var values: [String: String] = [:]
        for entry in image {
            guard let equals = entry.firstIndex(of: "="), equals != entry.startIndex else { continue }
            values[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
        }
        values.merge(workload.spec.environment) { $1 }
        values.merge(secrets) { $1 }
        values["DENO_SERVE_ADDRESS"] = serveAddress
        if case .revision = workload.id {
            values["KILN_LIVENESS"] = livenessPath
            values["DENO_V8_FLAGS"] = heapFlag(memoryBytes: workload.spec.memoryBytes)
        }
        return values.map { "\($0)=\($1)" }.sorted()
    }

    /// The flag that keeps V8's heap within a memory limit.
    static func heapFlag(memoryBytes: Int64) -> String {
        "--max-heap-size=\(max(memoryBytes - memoryBesideHeap, memoryBytes / 4) >> 20)"
    }

    private func hostname(of id: WorkloadID) -> String {
        switch id {
        case .revision(let revision): revision.function.value
        case .checker: "checker"
        }
    }

    private var resourceLimits: [RuntimeSpec.ResourceLimit] {
        let files = min(configuration.openFiles, machine.openFiles)
        return [
            // 1, not 0: a limit of one byte is what also stops the kernel from piping a dump to a program of the host (core(5)).
            .init(type: "RLIMIT_CORE", hard: 1, soft: 1),
            .init(type: "RLIMIT_NOFILE", hard: files, soft: files),
        ]
    }

    private func mounts(_ spec: FunctionSpec, _ paths: InstancePaths, hasNetwork: Bool) -> [RuntimeSpec.Mount] {
        let temporary = min(configuration.temporaryBytes, spec.memoryBytes / 2)
        let readOnly = ["bind", "ro", "nosuid", "nodev", "noexec"]
        return [
            .init(destination: "/proc", type: "proc", source: "proc", options: ["nosuid", "noexec", "nodev"]),
            .init(
                destination: "/dev", type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "noexec", "strictatime", "mode=755", "size=64k", "nr_inodes=64"]),
            .init(
                destination: "/tmp", type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "nodev", "noexec", "mode=1777", "size=\(temporary)", "nr_inodes=16384"]),
            .init(
                destination: "/run/kiln", type: "bind", source: paths.sockets,
                options: ["bind", "rw", "nosuid", "nodev", "noexec"]),
            .init(destination: "/etc/resolv.conf", type: "bind", source: paths.resolver, options: readOnly),
            .init(destination: "/etc/hosts", type: "bind", source: paths.hosts, options: readOnly),
        ]
    }

    /// Where the checker resolves imports: file systems of their own, so that imports that fill one are in nobody's way.
    private func rooms(of id: WorkloadID) -> [RuntimeSpec.Mount] {
        guard id == .checker else { return [] }
        // What Deno writes beside modules and packages: the lists of versions, its databases.
        let size = configuration.dependencyBytes + 64 << 20
        func room(_ name: String, _ size: Int64) -> RuntimeSpec.Mount {
            .init(
                destination: "/resolve/\(name)", type: "tmpfs", source: "tmpfs",
                options: ["nosuid", "nodev", "noexec", "mode=1777", "size=\(size)", "nr_inodes=200000"])
        }
        // What they are mounted on, so that an older base image needs to know nothing of them.
        let parent = RuntimeSpec.Mount(
            destination: "/resolve", type: "tmpfs", source: "tmpfs",
            options: ["nosuid", "nodev", "noexec", "mode=755", "size=64k", "nr_inodes=16"])
        // And what it keeps of packages to check types (`base-image/packages.js`), with Deno's databases.
        let types = room("types", configuration.packageTypesBytes + 96 << 20)
        // And where it compiles their code (`base-image/code.js`): copies of at most 32 MiB of modules.
        let code = room("code", 64 << 20)
        return [parent, room("0", size), room("1", size), types, code]
    }

    private func namespaces(_ network: String?) -> [RuntimeSpec.Namespace] {
        var list = ["pid", "mount", "ipc", "uts"].map { RuntimeSpec.Namespace(type: $0) }
        list.append(.init(type: "network", path: network))
        if machine.hasCgroupNamespaces { list.append(.init(type: "cgroup")) }
        return list
    }

    private var sysctl: [String: String] {
        guard machine.hasIPv6 else { return [:] }
        return ["net.ipv6.conf.all.disable_ipv6": "1", "net.ipv6.conf.default.disable_ipv6": "1"]
    }

    func resources(_ spec: FunctionSpec) -> RuntimeSpec.Resources {
        let devices =
            [RuntimeSpec.DeviceRule(allow: false, access: "rwm")]
            // null, zero, full, random, urandom
            + [3, 5, 7, 8, 9].map { RuntimeSpec.DeviceRule(allow: true, type: "c", major: 1, minor: $0, access: "rw") }
        return .init(
            devices: devices,
            // Swap as large as memory, in version 1 the sum of both: no swap at all.
            memory: .init(limit: spec.memoryBytes, swap: machine.limitsSwap ? spec.memoryBytes : nil),
            cpu: .init(
                shares: UInt64(max(2, spec.cpuMillicores * 1024 / 1000)), quota: max(1000, spec.cpuMillicores * 100),
                period: 100_000),
            pids: .init(limit: configuration.tasks),
            unified: machine.cgroupVersion == .v2 ? ["memory.oom.group": "1"] : nil)
    }

    private static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/kmsg",
        "/proc/kpagecgroup", "/proc/kpagecount", "/proc/kpageflags", "/proc/latency_stats", "/proc/modules",
        "/proc/sched_debug",
        "/proc/scsi", "/proc/slabinfo", "/proc/softirqs", "/proc/sysrq-trigger", "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/vmallocinfo", "/sys/devices/virtual/powercap", "/sys/firmware",
    ]

    private static let readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
}

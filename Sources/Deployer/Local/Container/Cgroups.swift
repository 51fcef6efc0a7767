import Glibc

/// The control groups of one installation: `kiln_<installation>/<instance>`, and `…/monitors` for conmon.
///
/// The OCI runtime makes and removes those of instances; here they are read, and swept when a runtime left them behind.
struct Cgroups: Sendable {
    /// Which interface the kernel's controllers are on (cgroups(7)).
    enum Version: Sendable, Hashable {
        /// One hierarchy for each controller, possibly with an empty version 2 hierarchy beside them ("hybrid").
        case v1
        /// The unified hierarchy.
        case v2
    }

    let version: Version
    /// Mount points of all hierarchies, by controller; "" is version 2, "name=systemd" is systemd's.
    let hierarchies: [String: String]
    let installation: String

    /// Finds the hierarchies in the text of `/proc/self/mountinfo`.
    init(installation: String, mountTable: String) {
        var hierarchies: [String: String] = [:]
        for line in mountTable.split(separator: "\n") {
            let halves = line.components(separatedBy: " - ")
            guard halves.count == 2 else { continue }
            let point = String(halves[0].split(separator: " ")[4])
            let fields = halves[1].split(separator: " ")
            guard fields.count >= 3 else { continue }
            if fields[0] == "cgroup2" { hierarchies[""] = point }
            guard fields[0] == "cgroup" else { continue }
            for option in fields[2].split(separator: ",") where option != "rw" && option != "ro" {
                hierarchies[String(option)] = point
            }
        }
        self.installation = installation
        self.hierarchies = hierarchies
        version = hierarchies["memory"] == nil ? .v2 : .v1
    }

    /// The group of an instance, as `linux.cgroupsPath`.
    static func path(installation: String, instance: String) -> String { "/kiln_\(installation)/\(instance)" }

    /// Whether swap can be limited here; without that a limit on it would make the runtime fail.
    var limitsSwap: Bool {
        switch version {
        case .v1: DiskFile.exists((hierarchies["memory"] ?? "") + "/memory.memsw.limit_in_bytes")
        case .v2: true
        }
    }

    /// How many processes of the instance the kernel killed for lack of memory.
    func outOfMemoryKills(_ instance: String) -> Int {
        let file =
            switch version {
            case .v1: "\(directory(of: "memory", instance))/memory.oom_control"
            case .v2: "\(directory(of: "", instance))/memory.events"
            }
        let line = DiskFile.text(file)?.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
        return line.flatMap { Int($0.dropFirst("oom_kill ".count)) } ?? 0
    }

    /// How often the instance was refused a process or thread, because it had as many as it may.
    func refusedTasks(_ instance: String) -> Int {
        let line = DiskFile.text("\(directory(of: version == .v1 ? "pids" : "", instance))/pids.events")?
            .split(separator: "\n").first { $0.hasPrefix("max ") }
        return line.flatMap { Int($0.dropFirst("max ".count)) } ?? 0
    }

    /// How many processes and threads the instance may have; `nil` when it cannot be read.
    func tasks(_ instance: String) -> Int? {
        DiskFile.text("\(directory(of: version == .v1 ? "pids" : "", instance))/pids.max").flatMap {
            Int($0.filter { !$0.isWhitespace })
        }
    }

    /// CPU time that the instance has used so far, in nanoseconds; `nil` when it cannot be read.
    func cpuTime(_ instance: String) -> UInt64? {
        switch version {
        case .v1:
            return DiskFile.text("\(directory(of: "cpuacct", instance))/cpuacct.usage").flatMap {
                UInt64($0.filter { !$0.isWhitespace })
            }
        case .v2:
            let line = DiskFile.text("\(directory(of: "", instance))/cpu.stat")?.split(separator: "\n")
                .first { $0.hasPrefix("usage_usec ") }
            return line.flatMap { UInt64($0.dropFirst("usage_usec ".count)) }.map { $0 * 1000 }
        }
    }

    /// Memory of the instance that only its end would free, in bytes: without the page cache, with what it wrote to `/tmp`.
    func memory(_ instance: String) -> Int64? {
        let file = "\(directory(of: version == .v1 ? "memory" : "", instance))/memory.stat"
        let fields = version == .v1 ? ["total_rss ", "total_shmem "] : ["anon ", "shmem "]
        guard let lines = DiskFile.text(file)?.split(separator: "\n") else { return nil }
        let values = lines.compactMap { line in
            fields.first { line.hasPrefix($0) }.flatMap { Int64(line.dropFirst($0.utf8.count)) }
        }
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    /// The instances that have a group in any hierarchy.
    func instances() -> [String] {
        var names: Set<String> = []
        for point in Set(hierarchies.values) {
            let parent = "\(point)/kiln_\(installation)"
            for directory in [parent, parent + "/monitors"] {
                names.formUnion(DiskFile.names(in: directory).filter { InstanceID.isValid($0) })
            }
        }
        return names.sorted()
    }

    /// Kills what is in the group of `instance`, and removes it from all hierarchies.
    func remove(_ instance: String) async {
        for _ in 0..<100 {
            var left = false
            let groups = Set(hierarchies.values).flatMap { point in
                ["", "monitors/"].map { "\(point)/kiln_\(installation)/\($0)\(instance)" }
            }
            for directory in groups {
                guard rmdir(directory) != 0, errno != ENOENT else { continue }
                left = true
                for line in DiskFile.text(directory + "/cgroup.procs")?.split(separator: "\n") ?? [] {
                    if let process = pid_t(line) { kill(process, SIGKILL) }
                }
            }
            guard left else { return }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// Removes the groups above those of instances; to be called when there are none left.
    func removeAll() {
        for point in Set(hierarchies.values) {
            rmdir("\(point)/kiln_\(installation)/monitors")
            rmdir("\(point)/kiln_\(installation)")
        }
    }

    /// The files to which the number of the monitor of `instance` is written at its start, so that it neither ends with the Deployer's own unit (systemd
    /// kills a unit's whole group) nor takes CPU time from functions when one floods its log. Made when they are not there.
    func monitorGroups(of instance: String) -> [String] {
        let controllers = version == .v2 ? [""] : ["name=systemd", "cpu"]
        return controllers.compactMap { controller in
            guard let point = hierarchies[controller] else { return nil }
            let parent = "\(point)/kiln_\(installation)"
            let group = parent + "/monitors"
            if version == .v2 { try? DiskFile.set(point + "/cgroup.subtree_control", to: "+cpu") }
            mkdir(parent, 0o755)
            if version == .v2 { try? DiskFile.set(parent + "/cgroup.subtree_control", to: "+cpu") }
            mkdir(group, 0o755)
            switch version {
            case .v1 where controller == "cpu": try? DiskFile.set(group + "/cpu.shares", to: "128")
            case .v1: break
            case .v2: try? DiskFile.set(group + "/cpu.weight", to: "12")
            }
            // In a group of its own, which is limited once the runtime, its child, has created the container.
            var own = group
            if controller != "name=systemd" {
                own += "/\(instance)"
                if version == .v2 { try? DiskFile.set(group + "/cgroup.subtree_control", to: "+cpu") }
                mkdir(own, 0o755)
            }
            let file = own + "/cgroup.procs"
            return access(file, W_OK) == 0 ? file : nil
        }
    }

    /// Limits what the monitor of `instance` takes to write its log, in thousandths of a core: a function that floods its log waits.
    func limitMonitor(of instance: String, millicores: Int) {
        let period = 100_000
        let quota = max(1000, millicores * period / 1000)
        let group = "\(hierarchies[version == .v2 ? "" : "cpu"] ?? "")/kiln_\(installation)/monitors/\(instance)"
        switch version {
        case .v1: try? DiskFile.set(group + "/cpu.cfs_quota_us", to: "\(quota)")
        case .v2: try? DiskFile.set(group + "/cpu.max", to: "\(quota) \(period)")
        }
    }

    private func directory(of controller: String, _ instance: String) -> String {
        (hierarchies[controller] ?? "/sys/fs/cgroup") + Self.path(installation: installation, instance: instance)
    }
}

extension Substring {
    /// The parts between occurrences of `separator`.
    fileprivate func components(separatedBy separator: String) -> [Substring] {
        var parts: [Substring] = []
        var rest = self
        while let range = rest.firstRange(of: separator) {
            parts.append(rest[..<range.lowerBound])
            rest = rest[range.upperBound...]
        }
        return parts + [rest]
    }
}

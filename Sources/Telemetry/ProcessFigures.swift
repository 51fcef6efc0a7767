import Glibc

/// What the kernel says about this process, under the names that Prometheus' own client libraries use, and which build it is.
package enum ProcessFigures {
    /// The families of `role`, of Kiln's `version`. What cannot be read is left out.
    package static func families(role: String, version: String) -> [MetricFamily] {
        let label = MetricFamily.Label("role", role)
        var families: [MetricFamily] = []
        func add(_ name: String, _ kind: MetricFamily.Kind, _ help: String, _ value: Double?) {
            guard let value else { return }
            var family = MetricFamily(name, kind, help)
            family.add(value, label)
            families.append(family)
        }
        var build = MetricFamily("kiln_build_info", .gauge, "Always 1; which version of Kiln the role is.")
        build.add(1, label, .init("version", version))
        families.append(build)

        let fields = statusFields()
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        func field(_ index: Int) -> Double? { fields.count > index ? Double(fields[index]) : nil }
        let cpu = field(11).flatMap { user in field(12).map { (user + $0) / ticks } }
        add("process_cpu_seconds_total", .counter, "User and system CPU time of the role.", cpu)
        add("process_virtual_memory_bytes", .gauge, "Virtual memory of the role.", field(20))
        add(
            "process_resident_memory_bytes", .gauge, "Resident memory of the role.",
            field(21).map { $0 * Double(sysconf(Int32(_SC_PAGESIZE))) })
        add("process_threads", .gauge, "Threads of the role.", field(17))
        add(
            "process_start_time_seconds", .gauge, "When the role started, in seconds since 1970.",
            field(19).flatMap { started in bootTime().map { $0 + started / ticks } })
        add("process_open_fds", .gauge, "Open file descriptors of the role.", openDescriptors())
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 {
            add("process_max_fds", .gauge, "Most file descriptors the role may open.", Double(limit.rlim_cur))
        }
        return families
    }

    /// The fields of `/proc/self/stat` (proc(5)) from the third on, which is at index 0.
    private static func statusFields() -> [Substring] {
        guard let text = read("/proc/self/stat"), let end = text.lastIndex(of: ")") else { return [] }
        return text[text.index(after: end)...].split(whereSeparator: \.isWhitespace)
    }

    /// When the machine was started, in seconds since 1970.
    private static func bootTime() -> Double? {
        read("/proc/stat")?.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
    }

    private static func openDescriptors() -> Double? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Without `.`, `..` and the one that reads the directory.
        return Double(count - 3)
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer[..<count]
        }
    }
}

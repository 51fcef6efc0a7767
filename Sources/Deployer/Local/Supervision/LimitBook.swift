import Contract

/// A limit that a function meets as an error of the operating system's.
package enum InstanceLimit: String, CaseIterable, Sendable {
    /// Processes and threads; flag `--max-tasks`.
    case tasks
    /// Open files; flag `--max-open-files`.
    case openFiles = "open-files"
    /// The size of `/tmp`; flag `--max-tmp`.
    case temporary = "tmp"
}

/// Which limits the instances of one workload have met: a value that is told readings, and tells what follows.
struct LimitBook: Sendable {
    /// One limit that was met.
    private struct Hit: Sendable {
        var count = 0
        var last: Timestamp
        /// How much there was, in what it is counted in.
        var limit: Int64
    }

    private var hits: [InstanceLimit: Hit] = [:]
    /// The reading before, by instance.
    private var before: [String: LimitReading] = [:]

    /// Whether no limit was ever met.
    var isEmpty: Bool { hits.isEmpty }

    /// Takes note of a reading of `instance`; returns how often each limit was met since the one before.
    ///
    /// Refusals are counted by the kernel, and none is missed. Open files and `/tmp` are met when they have come up to the limit
    /// since the reading before.
    mutating func note(_ reading: LimitReading, of instance: String, at now: Timestamp) -> [InstanceLimit: Int] {
        let earlier = before[instance] ?? LimitReading()
        before[instance] = reading
        var met: [InstanceLimit: (count: Int, limit: Int64)] = [:]
        met[.tasks] = (reading.refusedTasks - earlier.refusedTasks, Int64(reading.tasks))
        met[.openFiles] = (reading.hasAllFilesOpen && !earlier.hasAllFilesOpen ? 1 : 0, Int64(reading.openFilesLimit))
        met[.temporary] = (reading.temporaryIsFull && !earlier.temporaryIsFull ? 1 : 0, reading.temporaryBytes)
        let news = met.filter { $0.value.count > 0 }
        for (limit, value) in news {
            hits[limit] = Hit(count: (hits[limit]?.count ?? 0) + value.count, last: now, limit: value.limit)
        }
        return news.mapValues(\.count)
    }

    /// Forgets `instance`, which has ended; what was counted of it stays.
    mutating func forget(_ instance: String) { before[instance] = nil }

    /// A sentence for each limit that was met by instances with `memory` bytes.
    func warnings(memory: Int64) -> [String] {
        InstanceLimit.allCases.compactMap { limit in
            hits[limit].map { Self.sentence(limit, $0, memory: memory) }
        }
    }

    private static func sentence(_ limit: InstanceLimit, _ hit: Hit, memory: Int64) -> String {
        let times = hit.count == 1 ? "once, at \(hit.last)" : "\(hit.count) times, last at \(hit.last)"
        switch limit {
        case .tasks:
            return
                "An instance was refused a process or thread \(times): it may have \(hit.limit), all of Deno's own included; "
                + "the operator's --max-tasks raises that."
        case .openFiles:
            return
                "An instance had as many files and connections open as it may, \(hit.limit), \(times): to open more fails with "
                + "EMFILE. If it does not forget to close them, the operator's --max-open-files raises that."
        case .temporary:
            let remedy =
                hit.limit >= memory / 2
                ? "half of the memory of an instance is the most, so memory= raises that"
                : "the operator's --max-tmp raises that"
            return
                "/tmp of an instance was full \(times): it has \(size(hit.limit)), and to write more fails with ENOSPC; \(remedy)."
        }
    }

    private static func size(_ bytes: Int64) -> String {
        bytes % (1 << 20) == 0 ? "\(bytes >> 20) MiB" : "\(bytes >> 10) KiB"
    }
}

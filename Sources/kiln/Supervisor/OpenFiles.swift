import Glibc

/// The process's own limit of open files.
enum OpenFiles {
    /// More than this is not asked for: some programs that are started walk through all numbers up to their limit.
    private static let most: rlim_t = 1 << 16

    /// Raises the soft limit, which is 1024 in many places, as far as it may: to the hard one, and root beyond that. Returns what it is then.
    @discardableResult
    static func raise() -> Int {
        var limit = current()
        if limit.rlim_cur < most {
            // Root may raise the hard limit too (CAP_SYS_RESOURCE), up to fs.nr_open.
            for hard in [max(limit.rlim_max, most), limit.rlim_max] {
                var wanted = rlimit(rlim_cur: min(hard, most), rlim_max: hard)
                if setrlimit(resource, &wanted) == 0 { break }
            }
            limit = current()
        }
        return Int(min(UInt64(limit.rlim_cur), UInt64(Int32.max)))
    }

    private static let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)

    private static func current() -> rlimit {
        var limit = rlimit()
        return getrlimit(resource, &limit) == 0 ? limit : rlimit()
    }
}

import Glibc

/// The process's own limit of open files.
enum OpenFiles {
    /// More than this is not asked for: some programs that are started walk through all numbers up to their limit.
    private static let most: UInt64 = 1 << 16

    /// Raises the soft limit, which is 1024 in many places, as far as the hard one lets it. Returns what it is then.
    @discardableResult
    static func raise() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
        let wanted = min(UInt64(limit.rlim_max), most)
        if UInt64(limit.rlim_cur) < wanted {
            limit.rlim_cur = rlim_t(wanted)
            if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) != 0 {
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            }
        }
        return Int(min(UInt64(limit.rlim_cur), UInt64(Int32.max)))
    }
}

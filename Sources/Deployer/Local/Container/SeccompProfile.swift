/// Which system calls an instance may make (seccomp(2), in the form of runtime-spec's `linux.seccomp`).
///
/// A list of what is allowed, written for Deno with V8 and glibc: files, memory, threads, timers, sockets. All else fails with EPERM:
/// namespaces, mounts, tracing, kernel keys, BPF, io_uring, userfaultfd, perf events, modules, clocks, quotas, SysV IPC, message
/// queues, personalities, foreign memory. `clone3` fails with ENOSYS, because its flags are in memory where a filter cannot see
/// them; glibc then uses `clone`, which is allowed without any namespace flag.
struct SeccompProfile: Encodable {
    struct Condition: Encodable {
        var index: UInt
        var value: UInt64
        var valueTwo: UInt64?
        var op: String
    }

    struct Rule: Encodable {
        var names: [String]
        var action: String
        var errnoRet: UInt32?
        var args: [Condition]?
    }

    var defaultAction = "SCMP_ACT_ERRNO"
    var defaultErrnoRet: UInt32 = 1
    var architectures = [nativeArchitecture]
    var syscalls: [Rule]

    /// The profile of every instance.
    static let instance = SeccompProfile(syscalls: [
        Rule(names: files + memory + processes + time + events + sockets + native, action: allow),
        // CLONE_NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWNS; the first argument on every supported architecture.
        Rule(
            names: ["clone"], action: allow,
            args: [Condition(index: 0, value: 0x7E02_0000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ")]),
        Rule(names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38),
        // Unix, IPv4, IPv6, and route netlink, with which glibc lists addresses: no packet, vsock or crypto sockets.
        family(1), family(2), family(10),
        Rule(names: ["socket"], action: allow, args: [equal(0, 16), equal(2, 0)]),
        // The default personality, or asking which one it is.
        Rule(names: ["personality"], action: allow, args: [equal(0, 0)]),
        Rule(names: ["personality"], action: allow, args: [equal(0, 0xFFFF_FFFF)]),
    ])

    private static let allow = "SCMP_ACT_ALLOW"

    private static func equal(_ index: UInt, _ value: UInt64) -> Condition {
        Condition(index: index, value: value, valueTwo: nil, op: "SCMP_CMP_EQ")
    }

    private static func family(_ number: UInt64) -> Rule {
        Rule(names: ["socket"], action: allow, args: [equal(0, number)])
    }

    private static let files = [
        "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
        "faccessat",
        "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat",
        "fcntl",
        "fdatasync", "fgetxattr", "flistxattr", "flock", "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate",
        "getcwd",
        "getdents", "getdents64", "getxattr", "ioctl", "lchown", "lgetxattr", "link", "linkat", "listxattr",
        "llistxattr", "lseek",
        "lstat", "memfd_create", "mkdir", "mkdirat", "newfstatat", "open", "openat", "openat2", "pipe", "pipe2",
        "pread64",
        "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv",
        "rename",
        "renameat", "renameat2", "rmdir", "sendfile", "splice", "stat", "statfs", "statx", "symlink", "symlinkat",
        "sync",
        "sync_file_range", "syncfs", "tee", "truncate", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimes",
        "vmsplice",
        "write", "writev",
    ]

    private static let memory = [
        "brk", "madvise", "membarrier", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect", "mremap", "msync",
        "munlock",
        "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    ]

    private static let processes = [
        "capget", "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_waitv", "get_robust_list",
        "getegid",
        "geteuid", "getgid", "getgroups", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getresgid",
        "getresuid",
        "getrlimit", "getrusage", "getsid", "gettid", "getuid", "kill", "pause", "pidfd_open", "pidfd_send_signal",
        "prctl",
        "prlimit64", "restart_syscall", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
        "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "sched_get_priority_max",
        "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
        "sched_rr_get_interval", "sched_setaffinity", "sched_yield", "set_robust_list", "set_tid_address", "setpgid",
        "setpriority", "setrlimit", "setsid", "sigaltstack", "sysinfo", "tgkill", "times", "tkill", "uname", "vfork",
        "wait4",
        "waitid",
    ]

    private static let time = [
        "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday", "nanosleep",
        "setitimer", "time",
        "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_settime", "timerfd_create",
        "timerfd_gettime", "timerfd_settime",
    ]

    private static let events = [
        "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd",
        "eventfd2",
        "getrandom", "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "poll", "ppoll",
        "pselect6",
        "select", "signalfd", "signalfd4",
    ]

    private static let sockets = [
        "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
        "recvmmsg",
        "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketpair",
    ]

    #if arch(x86_64)
        private static let nativeArchitecture = "SCMP_ARCH_X86_64"
        private static let native = ["arch_prctl"]
    #elseif arch(arm64)
        private static let nativeArchitecture = "SCMP_ARCH_AARCH64"
        private static let native: [String] = []
    #endif
}

import Contract

/// How functions run as containers of this machine.
package struct LocalConfiguration: Sendable {
    /// Which OCI runtime runs the containers.
    package enum RuntimeChoice: Sendable, Hashable {
        /// The first of `crun` and `runc` that can run a container here, found by running one.
        case automatic
        /// This executable, by absolute path.
        case executable(String)
    }

    /// Kiln's state directory, an absolute path. Instances live in `instances/`, so it may have at most 70 bytes: the path of an
    /// instance's socket has to fit into `sun_path` (unix(7), 107 bytes).
    package var stateDirectory: String
    /// The installation's name: 6 hexadecimal digits that all its devices, groups, tables and containers carry, so that several Kilns can share
    /// a machine.
    package var installation: String
    /// The OCI runtime.
    package var runtime = RuntimeChoice.automatic
    /// How long an instance may take from its start until it accepts connections.
    package var startDeadline: Duration = .seconds(10)
    /// How long an instance may take to end after SIGTERM, before SIGKILL.
    package var gracePeriod: Duration = .seconds(10)
    /// When an instance that ended is started again.
    package var restarts = RestartPolicy()
    /// The first user id of instances; each running instance has one of its own, from here upwards.
    package var firstUserID: UInt32 = 200_000
    /// Most processes and threads in one instance. Deno starts about 20 threads on 2 cores, and about 3 more for each worker; flag
    /// `--max-tasks`.
    package var tasks = 256
    /// Most open files of one process in an instance; flag `--max-open-files`.
    package var openFiles: UInt64 = 4096
    /// Most bytes in an instance's `/tmp`, which count as its memory too; never more than half of its memory limit; flag
    /// `--max-tmp`.
    package var temporaryBytes: Int64 = 64 << 20
    /// Most bytes of one secret; flag `--max-secret-bytes`. Linux takes no variable of more than 128 KiB (execve(2), MAX_ARG_STRLEN).
    package var secretBytes = 64 << 10
    /// Most bytes of an instance's whole environment, secrets included: the kernel takes 2 MiB of arguments and environment together
    /// (execve(2), a quarter of the stack's limit).
    package static let environmentBytes = 1 << 20
    /// Most bytes of what one function imports, unpacked: the checker has room to resolve two at a time.
    package var dependencyBytes: Int64 = 256 << 20
    /// Most bytes of packages' types that the checker keeps; flag `--max-package-types`.
    package var packageTypesBytes: Int64 = 160 << 20
    /// Most bytes of one instance's log; when it is full the older half is dropped.
    package var logBytes: Int64 = 4 << 20
    /// How many ended instances of a function keep their logs.
    package var keptLogs = 4
    /// CPU that writing down one instance's output may take, in thousandths of a core; a function that prints more waits.
    package var logMillicores = 100
    /// Addresses of the instances; `nil` picks a /20 of 10.192.0.0/10 that no route of the host overlaps, and keeps it.
    package var addressPool: IPv4Range?
    /// Name servers (IPv4) that instances' DNS queries are forwarded to; `nil` reads the host's `/etc/resolv.conf`.
    package var nameServers: [String]?
    /// How many network slots are kept ready for instances to come.
    package var readyNetworks = 4

    /// The memory that all instances of functions may use together, in bytes; `nil` is no limit; flag `--memory-budget`.
    package var memoryBudget: Int64?
    /// How long an instance may leave liveness probes unanswered before it is killed and started again; `nil` never kills it; flag
    /// `--liveness`.
    package var liveness: Duration? = .seconds(30)

    /// The defaults for `installation` with its state in `stateDirectory`.
    package init(stateDirectory: String, installation: String) {
        self.stateDirectory = stateDirectory
        self.installation = installation
    }

    /// Most bytes of one of the two files of a log.
    var logFileBytes: Int64 { logBytes / 2 }
    /// Where instances live.
    var instances: String { stateDirectory + "/instances" }
    /// Where the logs of ended instances are kept.
    var logs: String { stateDirectory + "/logs" }
    /// Where the chosen address pool is written down.
    var chosenPool: String { stateDirectory + "/address-pool" }

    /// Throws one sentence about what cannot be used.
    func check() throws(DeployerError) {
        guard stateDirectory.hasPrefix("/"), stateDirectory.utf8.count + InstancePaths.longestSuffix <= 107 else {
            throw DeployerError(
                .state,
                "The state directory '\(stateDirectory)' cannot be used: give an absolute path of at most "
                    + "\(107 - InstancePaths.longestSuffix) bytes.")
        }
        // What overlayfs and log paths would take for more than a name.
        guard stateDirectory.utf8.allSatisfy({ $0 > 32 && $0 < 127 && !":,\\\"'".utf8.contains($0) }) else {
            throw DeployerError(
                .state,
                "The state directory '\(stateDirectory)' cannot be used: its path has spaces, ':', ',', quotes, '\\' or "
                    + "characters beyond ASCII.")
        }
        guard InstanceID.isHexadecimal(installation, count: 6) else {
            throw DeployerError(.state, "The installation's name '\(installation)' is not 6 hexadecimal digits.")
        }
    }
}

/// When an instance that ended by itself is started again: exponential back-off, as Kubernetes' `CrashLoopBackOff` does it.
package struct RestartPolicy: Sendable, Hashable {
    /// The pause before the first restart; each further one is twice as long.
    package var initialDelay: Duration = .milliseconds(100)
    /// The longest pause.
    package var maximumDelay: Duration = .seconds(30)
    /// An instance that ran for so long starts over with the initial pause.
    package var stableAfter: Duration = .seconds(60)

    /// The defaults.
    package init() {}
}

/// The places of one instance inside the state directory.
struct InstancePaths: Sendable, Hashable {
    /// Bytes that the path of an instance's socket adds to that of the state directory.
    static let longestSuffix = "/instances/0123456789ab/run/http.sock".utf8.count

    /// `<state>/instances/<id>`, mode 0700.
    let directory: String

    init(instances: String, id: String) { directory = "\(instances)/\(id)" }

    /// What the instance is.
    var record: String { directory + "/instance.json" }
    /// The OCI bundle: the mount point of the root file system, and `config.json`.
    var bundle: String { directory + "/bundle" }
    /// Holds the environment and so the secrets: mode 0600, and there only while the container is being created.
    var configuration: String { bundle + "/config.json" }
    /// Mounted only in the monitor's mount namespace.
    var root: String { bundle + "/rootfs" }
    /// An empty lower layer, for images with a single one.
    var emptyLayer: String { bundle + "/empty" }
    /// A bounded tmpfs: what an instance writes into ``sockets`` cannot fill the disk.
    var run: String { directory + "/run" }
    /// What the instance sees as `/run/kiln`, its own with mode 0700.
    var sockets: String { run + "/sock" }
    /// Where the function listens.
    var innerSocket: String { sockets + "/http.sock" }
    /// What the Router dials: a hard link, because the function may replace ``innerSocket`` by a link to a foreign socket.
    var socket: String { run + "/http.sock" }
    /// Where the bootstrap answers liveness probes.
    var innerLiveness: String { sockets + "/live.sock" }
    /// What the Deployer dials for them, a hard link like ``socket``.
    var liveness: String { run + "/live.sock" }
    var resolver: String { directory + "/resolv.conf" }
    var hosts: String { directory + "/hosts" }
    /// Standard output and error.
    var log: String { directory + "/log" }
    /// What conmon says once the runtime has created the container.
    var answer: String { directory + "/created" }
    /// The container's first process, while it is created or running.
    var processID: String { directory + "/pid" }
    var monitorID: String { directory + "/conmon.pid" }
    /// The exit code, in decimal.
    var exit: String { directory + "/exit" }
}

/// The part of an OCI runtime bundle's `config.json` (runtime-spec 1.0.2, config.md) that instances need.
struct RuntimeSpec: Encodable {
    struct User: Encodable {
        var uid: UInt32
        var gid: UInt32
        /// Octal 0077: what a function writes into `/tmp` is its own.
        var umask: UInt32 = 0o077
    }

    struct ResourceLimit: Encodable {
        var type: String
        var hard: UInt64
        var soft: UInt64
    }

    struct Capabilities: Encodable {
        var bounding: [String] = []
        var effective: [String] = []
        var inheritable: [String] = []
        var permitted: [String] = []
        var ambient: [String] = []
    }

    struct Process: Encodable {
        var terminal = false
        var user: User
        var args: [String]
        var env: [String]
        var cwd: String
        var capabilities = Capabilities()
        var rlimits: [ResourceLimit]
        var noNewPrivileges = true
        var oomScoreAdj: Int
    }

    struct Root: Encodable {
        var path: String
        var readonly = true
    }

    struct Mount: Encodable {
        var destination: String
        var type: String
        var source: String
        var options: [String]
    }

    struct Namespace: Encodable {
        var type: String
        var path: String?
    }

    struct DeviceRule: Encodable {
        var allow: Bool
        var type: String?
        var major: Int?
        var minor: Int?
        var access: String
    }

    struct Memory: Encodable {
        var limit: Int64
        var swap: Int64?
    }

    struct CPU: Encodable {
        var shares: UInt64
        var quota: Int64
        var period: UInt64
    }

    struct Tasks: Encodable {
        var limit: Int
    }

    struct Resources: Encodable {
        var devices: [DeviceRule]
        var memory: Memory
        var cpu: CPU
        var pids: Tasks
        var unified: [String: String]?
    }

    struct Linux: Encodable {
        var cgroupsPath: String
        var namespaces: [Namespace]
        var resources: Resources
        var sysctl: [String: String]
        var seccomp: SeccompProfile
        var maskedPaths: [String]
        var readonlyPaths: [String]
        var rootfsPropagation = "private"
    }

    var ociVersion = "1.0.2"
    var process: Process
    var root: Root
    var hostname: String
    var mounts: [Mount]
    var linux: Linux
}

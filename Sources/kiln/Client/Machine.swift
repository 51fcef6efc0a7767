import FoundationEssentials
import Glibc
import Transfer

/// What this machine knows of a platform whose state directory is here.
struct Machine: Sendable {
    /// The state directory.
    let directory: String
    /// The children of `kiln up`; without a process id those that do not run.
    let processes: [(name: String, pid: Int32?)]
    /// The disk of the state directory.
    let freeBytes: Int64?
    let totalBytes: Int64?

    /// The platform in `state`; `nil` when it is not the one at `url`, or cannot be looked into.
    init?(_ state: StateDirectory, url: String) {
        guard let data = FileManager.default.contents(atPath: state.address) else { return nil }
        let own = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
        guard Self.isSame(String(own), url) else { return nil }
        directory = state.path
        processes = ["router", "builder", "deployer", "registry"].map {
            ($0, ProcessRecord(path: state.record($0)).running)
        }
        var status = statvfs()
        let isKnown = statvfs(state.path, &status) == 0
        freeBytes = isKnown ? Int64(status.f_bavail) * Int64(status.f_frsize) : nil
        totalBytes = isKnown ? Int64(status.f_blocks) * Int64(status.f_frsize) : nil
    }

    /// Whether both URLs lead to this machine's same port.
    private static func isSame(_ own: String, _ url: String) -> Bool {
        guard let own = WebAddress(own), let other = WebAddress(url) else { return false }
        func isLocal(_ host: String) -> Bool { host == "localhost" || host == "[::1]" || host.hasPrefix("127.") }
        return own.port == other.port
            && (own.host == other.host || (isLocal(other.host) && (isLocal(own.host) || own.host == "0.0.0.0")))
    }
}
